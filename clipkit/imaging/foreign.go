package imaging

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// Endings are those of the names of files that Decode reads, in lower case. A name may lie: Decode goes by the first bytes.
var Endings = []string{".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".webp", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm"}

// HasEnding says whether a file's name ends like a picture's, in any case.
func HasEnding(name string) bool {
	dot := strings.LastIndexByte(name, '.')
	return dot >= 0 && slices.Contains(Endings, strings.ToLower(name[dot:]))
}

// foreignMagic are formats that people have among their pictures and that are not read. '?' stands for any byte.
var foreignMagic = []struct{ bytes, name string }{
	{"\x00\x00\x00\x0cJXL ", "JPEG XL"},
	{"\xff\x0a", "JPEG XL"},
	{"\x00\x00\x00\x0cjP", "JPEG 2000"},
	{"\xff\x4f\xff\x51", "JPEG 2000"},
	{"II*\x00", "TIFF"},
	{"MM\x00*", "TIFF"},
	{"II+\x00", "TIFF"},
	{"MM\x00+", "TIFF"},
	{"8BPS", "Photoshop (PSD)"},
	{"%PDF", "PDF"},
	{"%!PS", "PostScript"},
	{"\x00\x00\x01\x00", "an icon (ICO)"},
	{"DDS ", "DDS"},
	{"qoif", "QOI"},
	{"\x76\x2f\x31\x01", "OpenEXR"},
	{"#?RADIANCE", "Radiance HDR"},
	{"FUJIFILMCCD-RAW", "a raw photograph (RAF)"},
}

// brands of ISO media files (ISO 14496-12): what the first bytes behind "ftyp" say.
var brands = map[string]string{
	"avif": "AVIF", "avis": "AVIF", "heic": "HEIC", "heix": "HEIC", "heim": "HEIC", "heis": "HEIC", "hevc": "HEIC", "hevx": "HEIC", "mif1": "HEIF", "msf1": "HEIF",
	"crx ": "a raw photograph (CR3)", "isom": "a video (MP4)", "iso2": "a video (MP4)", "mp41": "a video (MP4)", "mp42": "a video (MP4)", "qt  ": "a video (QuickTime)",
}

// foreign names the format of a file that no codec accepts, or gives "".
func foreign(encoded []byte) string {
	for _, f := range foreignMagic {
		if magic(f.bytes)(encoded) {
			return f.name
		}
	}
	if magic("????ftyp")(encoded) {
		return isoBrand(encoded)
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(encoded[:min(len(encoded), 1024)], []byte("\xef\xbb\xbf")))
	lower := bytes.ToLower(text)
	switch {
	case bytes.HasPrefix(lower, []byte("<svg")), bytes.HasPrefix(lower, []byte("<?xml")) && bytes.Contains(lower, []byte("<svg")),
		bytes.HasPrefix(lower, []byte("<!doctype svg")), bytes.HasPrefix(lower, []byte("<!--")) && bytes.Contains(lower, []byte("<svg")):
		return "SVG"
	case bytes.HasPrefix(lower, []byte("<!doctype html")), bytes.HasPrefix(lower, []byte("<html")):
		return "a web page (HTML), as a failed download leaves it"
	}
	return ""
}

// isoBrand looks at the main brand and those that the file says it is compatible with: the main one of a HEIC or AVIF file may be a general one.
func isoBrand(encoded []byte) string {
	end := min(len(encoded), int(min(binary.BigEndian.Uint32(encoded), 256)))
	name := ""
	for at := 8; at+4 <= end; at += 4 {
		switch found := brands[string(encoded[at:at+4])]; {
		case found == "AVIF", found == "HEIC":
			return found
		case name == "":
			name = found
		}
	}
	return name
}
