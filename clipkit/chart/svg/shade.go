package svg

import (
	"fmt"
	"math"
)

// Shade is the colour of a level from 0 to 1 on a ramp of colours from low to high.
func Shade(ramp []string, level float64) string {
	at := level * float64(len(ramp)-1)
	i := min(int(at), len(ramp)-2)
	t := at - float64(i)
	var a, b [3]int
	fmt.Sscanf(ramp[i], "#%02x%02x%02x", &a[0], &a[1], &a[2])
	fmt.Sscanf(ramp[i+1], "#%02x%02x%02x", &b[0], &b[1], &b[2])
	mix := func(k int) int { return int(math.Round(float64(a[k])*(1-t) + float64(b[k])*t)) }
	return fmt.Sprintf("#%02x%02x%02x", mix(0), mix(1), mix(2))
}
