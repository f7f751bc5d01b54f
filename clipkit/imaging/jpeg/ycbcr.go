package jpeg

import "image"

// FromYCbCr converts to RGB bytes, [height, width, 3], as Decode does; Go's own conversion repeats chroma samples, which shows along coloured edges.
func FromYCbCr(m *image.YCbCr) []byte {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	across, down := 1, 1 // luma samples per chroma sample
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		across = 2
	case image.YCbCrSubsampleRatio420:
		across, down = 2, 2
	case image.YCbCrSubsampleRatio440:
		down = 2
	case image.YCbCrSubsampleRatio411:
		across = 4
	case image.YCbCrSubsampleRatio410:
		across, down = 4, 2
	}
	chroma := func(pix []byte) plane {
		p := plane{pix: pix, stride: m.CStride, width: ceilDiv(w, across), height: ceilDiv(h, down)}
		return p.upsample(across, down, w, h)
	}
	return yccRGB(plane{pix: m.Y, stride: m.YStride, width: w, height: h}, chroma(m.Cb), chroma(m.Cr), w, h)
}
