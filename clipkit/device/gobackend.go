//go:build !clipkit_cell

package device

// Engine "go", the last resort. Cells, which are linked each time that they run, import it where they use it: its kernels are 4 MB.
import _ "github.com/gomlx/compute/gobackend"
