package imaging

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"clipnb/clipkit/imaging/bmp"
	"clipnb/clipkit/imaging/gif"
	"clipnb/clipkit/imaging/jpeg"
	"clipnb/clipkit/imaging/png"
	"clipnb/clipkit/imaging/pnm"
	"clipnb/clipkit/imaging/raster"
)

// The errors of Decode, for errors.Is.
var (
	ErrTooLarge = errors.New("picture too large")
	ErrFormat   = errors.New("not a picture format that can be read (JPEG, PNG, GIF, BMP, WebP, PNM)")
	ErrCorrupt  = errors.New("damaged picture")
)

const (
	maxPixels = 64 << 20 // 64 megapixels: up to 1.1 GB while a JPEG in four inks is decoded
	maxSide   = 1 << 18  // also bounds the filter tables of Resize
)

// codec reads one file format. decode is only called after the size that the header says has been checked.
type codec struct {
	name   string
	begins func(encoded []byte) bool
	size   func(encoded []byte) (width, height int, err error)
	decode func(ctx context.Context, encoded []byte) (*raster.Picture, error)
}

var codecs = []codec{
	{"JPEG", magic("\xff\xd8\xff"), jpeg.DecodeConfig, decodeJPEG},
	{"PNG", magic(png.Signature), png.DecodeConfig, png.DecodeContext},
	{"GIF", magic("GIF8?a"), gif.DecodeConfig, unbroken(gif.Decode)},
	{"BMP", magic("BM"), bmp.DecodeConfig, unbroken(bmp.Decode)},
	{"PNM", pnm.Accepts, pnm.DecodeConfig, unbroken(pnm.Decode)},
	{"WebP", magic("RIFF????WEBP"), webpSize, unbroken(decodeWebP)},
}

// unbroken is for decoders that take no more than a second or two for the largest picture: nothing ends them.
func unbroken(decode func([]byte) (*raster.Picture, error)) func(context.Context, []byte) (*raster.Picture, error) {
	return func(_ context.Context, encoded []byte) (*raster.Picture, error) { return decode(encoded) }
}

// Config is what the header of a picture says.
type Config struct {
	Format        string // JPEG, PNG, GIF, BMP, WebP or PNM
	Width, Height int
}

// DecodeConfig reads the header alone. It refuses what Decode refuses by the header: the same formats, the same limits, the same errors.
func DecodeConfig(encoded []byte) (config Config, err error) {
	err = withCodec(encoded, func(c codec) error {
		w, h, err := c.header(encoded)
		config = Config{c.name, w, h}
		return err
	})
	if err != nil {
		return Config{}, err
	}
	return config, nil
}

// Decode reads a picture in the mode that Pillow gives it; the first frame of an animation. See the package comment for limits and errors.
func Decode(encoded []byte) (p *Picture, err error) {
	return DecodeContext(context.Background(), encoded)
}

// DecodeContext is Decode that ends with ctx, whose error it then wraps: a JPEG of 64 megapixels can be made to take ten seconds.
func DecodeContext(ctx context.Context, encoded []byte) (p *Picture, err error) {
	err = withCodec(encoded, func(c codec) error {
		_, _, err := c.header(encoded)
		if err != nil {
			return err
		}
		decoded, err := c.decode(ctx, encoded)
		p = (*Picture)(decoded)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// withCodec calls read with the codec of a file, and turns its error, or a panic of a decoder that is not ours, into one of this package's.
func withCodec(encoded []byte, read func(codec) error) error {
	i := slices.IndexFunc(codecs, func(c codec) bool { return c.begins(encoded) })
	if i < 0 {
		if name := foreign(encoded); name != "" {
			return fmt.Errorf("imaging: %d bytes of %s: %w; convert it to JPEG or PNG", len(encoded), name, ErrFormat)
		}
		return fmt.Errorf("imaging: %d bytes that start with %.12q: %w", len(encoded), encoded[:min(len(encoded), 12)], ErrFormat)
	}
	err := func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("%w: the decoder gave up: %v", ErrCorrupt, r)
			}
		}()
		return read(codecs[i])
	}()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrTooLarge), errors.Is(err, ErrFormat), errors.Is(err, ErrCorrupt):
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded): // nothing is known of the picture
	case isUnsupported(err):
		err = fmt.Errorf("%w: %w", ErrFormat, err)
	default:
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return fmt.Errorf("imaging: reading a %s of %d bytes: %w", codecs[i].name, len(encoded), err)
}

// header reads the size and holds it to the limits.
func (c codec) header(encoded []byte) (w, h int, err error) {
	w, h, err = c.size(encoded)
	switch {
	case err != nil:
		return 0, 0, err
	case w < 1 || h < 1:
		return 0, 0, fmt.Errorf("%w: the header says %d × %d pixels", ErrCorrupt, w, h)
	case w > maxSide || h > maxSide || w*h > maxPixels:
		return 0, 0, fmt.Errorf("%w: the header says %d × %d pixels, the limits are %d megapixels and %d pixels a side; make it smaller first",
			ErrTooLarge, w, h, maxPixels>>20, maxSide)
	}
	return w, h, nil
}

// magic accepts files that begin with bytes, in which '?' stands for any.
func magic(bytes string) func([]byte) bool {
	return func(encoded []byte) bool {
		if len(encoded) < len(bytes) {
			return false
		}
		for i := range bytes {
			if bytes[i] != '?' && bytes[i] != encoded[i] {
				return false
			}
		}
		return true
	}
}

// isUnsupported says whether a decoder understood the file but does not implement its variant.
func isUnsupported(err error) bool {
	return errors.Is(err, raster.ErrUnsupported) || errors.Is(err, jpeg.ErrUnsupported)
}

func decodeJPEG(ctx context.Context, encoded []byte) (*raster.Picture, error) {
	p, err := jpeg.DecodeContext(ctx, encoded)
	if err != nil {
		return nil, err
	}
	mode := map[int]Mode{1: Grey, 3: RGB, 4: CMYK}[p.Channels]
	return &raster.Picture{Mode: mode, Width: p.Width, Height: p.Height, Pix: p.Pix}, nil
}
