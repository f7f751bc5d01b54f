//go:build !clipkit_cell

package kept

// Cells, which are linked each time that they run, import it where they use it.
import _ "clipnb/clipkit/index/pgvector"
