// Package imaging turns encoded pictures into the float tensors that the image tower takes, with the same pixels as the reference (Pillow and
// torchvision), and augments them for training as the reference's timm pipeline does. SPEC §3.
//
//	pixels, err := imaging.Transform(encoded, 224)                        // [3, 224, 224] float32, normalised
//	pixels, err := imaging.Reference.Transform(encoded, 224, rng)         // the same with random crop, flip and AutoAugment
//
//	picture, err := imaging.Decode(encoded)                               // in its own mode: RGB, L, P, CMYK …
//	picture = picture.Resize(224, 224).RGB()                              // [224, 224, 3] bytes
//	pixels := imaging.Normalise(picture)                                  // [3, 224, 224] float32
//
// # The order of the steps
//
// A [Picture] keeps the mode that Pillow would give it, because the reference resizes before it converts to RGB: a palette picture is resized by
// nearest neighbour, a picture with alpha is resized premultiplied, a CMYK picture in its four inks. [Transform] does that (datasets in LMDB,
// training, feature extraction). [TransformConvertFirst] converts first (image folders, zero-shot classification). For plain RGB and JPEG
// pictures the two are the same.
//
// # What equals Pillow
//
// Resizing, RGB conversion, normalisation and every augmentation equal Pillow 13 to the last bit; the tests hold them to values made with it.
// So does decoding of PNG, GIF, BMP and WebP. JPEG goes through Go's decoder, whose inverse DCT rounds a few samples by one level differently
// from libjpeg-turbo's; chroma is upsampled as libjpeg does. As in the reference, EXIF orientation and the colour profile are ignored.
//
// # Bytes from outside
//
// [Decode] reads the header before it allocates pixels and refuses more than 64 megapixels or a side of more than 262,144 pixels.
// Its errors wrap [ErrTooLarge], [ErrFormat] or [ErrCorrupt]. It accepts what Go's decoders accept, which is in places stricter than Pillow (a
// wrong checksum in PNG pixel data is an error) and leaves out rare variants, reported as ErrFormat: animated WebP, compressed or 16-bit BMP,
// arithmetic-coded or 12-bit JPEG, CMYK JPEG without an Adobe marker.
//
// No function modifies the picture it is given.
package imaging
