package bmp

import (
	"testing"

	"clipnb/clipkit/imaging/raster/rastertest"
)

func FuzzDecode(f *testing.F) { rastertest.Fuzz(f, "*.bmp", DecodeConfig, Decode) }
