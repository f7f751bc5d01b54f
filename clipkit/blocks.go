//go:build clipkit_blocks

package clipkit

// Cells have no place of their own to ask for it: kernels/cpu/kernel.json compiles them with this tag.
import _ "clipnb/clipkit/device/blocks"
