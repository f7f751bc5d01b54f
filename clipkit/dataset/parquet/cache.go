package parquet

import (
	"fmt"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	pq "github.com/parquet-go/parquet-go"
	"golang.org/x/sync/singleflight"
)

// cacheBytes bounds the pages that are kept unpacked.
const cacheBytes = 128 << 20

type pageKey struct{ file, group, page int32 }

type keptPage struct {
	values []pq.Value
	size   int
}

// pageCache keeps the pages that were read last, up to a number of bytes; workers that want one page at a time unpack it once.
type pageCache struct {
	reading singleflight.Group

	mu    sync.Mutex
	pages *simplelru.LRU[pageKey, keptPage]
	bytes int
}

func newPageCache() *pageCache {
	c := &pageCache{}
	c.pages, _ = simplelru.NewLRU(1<<20, func(_ pageKey, p keptPage) { c.bytes -= p.size }) // fails for sizes below 1 alone
	return c
}

func (c *pageCache) get(key pageKey, size int, read func() ([]pq.Value, error)) ([]pq.Value, error) {
	c.mu.Lock()
	p, ok := c.pages.Get(key)
	c.mu.Unlock()
	if ok {
		return p.values, nil
	}
	values, err, _ := c.reading.Do(fmt.Sprint(key), func() (any, error) {
		values, err := read()
		if err != nil || size > cacheBytes {
			return values, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.pages.Contains(key) {
			c.pages.Add(key, keptPage{values, size})
			c.bytes += size
		}
		for c.bytes > cacheBytes {
			c.pages.RemoveOldest()
		}
		return values, nil
	})
	if err != nil {
		return nil, err
	}
	return values.([]pq.Value), nil
}
