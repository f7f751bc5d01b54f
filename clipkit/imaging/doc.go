// Package imaging turns encoded pictures into the float tensors that the image tower takes, with the same pixels as the reference (Pillow and
// torchvision), and augments them for training as the reference's timm pipeline does (cn_clip/training/data.py:71).
//
//	pixels, err := imaging.Transform(encoded, 224)                        // [3, 224, 224] float32, normalised
//	pixels, err := imaging.Reference.Transform(encoded, 224, rng)         // the same with random crop, flip and AutoAugment
//
//	picture, err := imaging.Decode(encoded)                               // in its own mode: RGB, L, P, CMYK …
//	picture = picture.Resize(224, 224).RGB()                              // [224, 224, 3] bytes
//	pixels := imaging.Normalise(picture)                                  // [3, 224, 224] float32
//
// [Batches] prepares many pictures on all cores, batch by batch; [DecodeConfig] reads a header alone.
//
// # The order of the steps
//
// A [Picture] keeps the mode that Pillow would give it, because the reference resizes before it converts to RGB: a palette picture is resized by
// nearest neighbour, a picture with alpha is resized premultiplied, a CMYK picture in its four inks. [Picture.Tensor] does that (datasets in
// LMDB, training, feature extraction). [Picture.TensorConvertFirst] converts first (image folders, zero-shot classification). For plain RGB and
// JPEG pictures the two are the same.
//
// # What equals Pillow
//
// Resizing, RGB conversion, normalisation and every augmentation equal Pillow 13 to the last bit; the tests hold them to values made with it.
// So does decoding, for which there are decoders of their own below this package: jpeg, png, gif, bmp and pnm; lossy and lossless WebP
// come from golang.org/x/image. What Pillow reads is read, to the same pixels: of an animation the first frame, a GIF's frame outside its screen, a JPEG
// without Huffman tables or end marker, with damaged scans, or with the first scans of a progressive file alone, which libjpeg smooths, a PNG without
// its end. As in the reference, EXIF orientation and the colour profile are ignored.
//
// testdata/make_formats.py makes the golden values; the script pillow_pictures.py in package golden's testdata/make compares with any folder of
// pictures, such as Pillow's own tests.
//
// # Speed
//
// The loops over pixels are C, compiled by cgo (kernels.c), so the package needs a C compiler, as the engines do. BenchmarkAgainstPillow runs the
// reference's transform in turns with this one; on one core of an EPYC, a JPEG of 500 × 375 pixels takes about 3/5 of Pillow's time. [Batches]
// prepares as many pictures at a time as there are cores.
//
// # Bytes from outside
//
// [Decode] reads the header before it allocates pixels and refuses more than 64 megapixels or a side of more than 262,144 pixels. It takes at most 16
// bytes of memory a pixel, for a JPEG in four inks (1.1 GB at the limit), 12 for one in three channels and 4 for a PNG; Tensor takes 4 more of a picture
// with alpha. A JPEG may not announce more blocks than its bytes can hold, and its scans have a budget (package jpeg). [DecodeContext] ends with its
// context in a JPEG or PNG. Package internal/faults reads the worst files known. On an EPYC they take so many seconds of the processor and so much memory
// beside the file, and took before these limits:
//
//	JPEG of 151 kB, 199 scans of 64 megapixels    0.5 s   129 MB    (25 s, 257 MB)
//	JPEG of 64 megapixels in four inks            1.2 s  1028 MB    (the same; the limit was said to be 512 MB)
//	PNG of 64 megapixels of 16-bit RGBA           0.6 s   257 MB    (the same; 522 MB with its tensor)
//	PNG of 32 MB of chunks before the pixels      0.3 s    37 MB    (the same)
//	PNG of 32 MB of empty chunks of pixels        0.1 s    11 MB    (0.5 s, 322 MB)
//	GIF of 32 MB of extension blocks              0.1 s     0 MB    (the same)
//	BMP of 1 kB, 64 megapixels of moves           0.3 s   175 MB    (the same)
//	PNM of 60 MB of levels of 16 bits as text     1.0 s   180 MB    (the same)
//	PNM of 64 megapixels of 16 bits               1.4 s   265 MB    (the same, with its tensor)
//	WebP of 160 kB, 65,536 groups in one pixel    0.0 s     0 MB    (golang.org/x/image before 0.45: 20 s, 1360 MB for 1.5 MB)
//
// Its errors wrap [ErrTooLarge], [ErrFormat] or [ErrCorrupt].
//
// It refuses what Pillow refuses, with a few rare kinds more, as ErrFormat: arithmetic-coded JPEG. A file that announces more pixels than its bytes can
// hold counts as damaged. Formats that are not read (AVIF, HEIC, SVG and others) are named, with the advice to convert them.
//
// No function modifies the picture it is given.
package imaging
