package pnm

import (
	"testing"

	"clipnb/clipkit/imaging/raster/rastertest"
)

func FuzzDecode(f *testing.F) { rastertest.Fuzz(f, "*.p?m", DecodeConfig, Decode) }
