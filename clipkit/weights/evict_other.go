//go:build !unix

package weights

func (m *mappedFile) evict([]byte) {}
