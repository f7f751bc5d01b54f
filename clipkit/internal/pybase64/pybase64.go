// Package pybase64 reads base64 as Python does.
package pybase64

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

// standard translates the digits of both alphabets to the standard one; 0 is for bytes that are skipped.
var standard = func() (digit [256]byte) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		digit[c] = byte(c)
	}
	digit['-'], digit['_'] = '+', '/'
	return digit
}()

// foreign is not 0 for bytes that are no digit of the standard alphabet.
var foreign = func() (is [256]byte) {
	for c := range is {
		if standard[c] != byte(c) || c == 0 {
			is[c] = 1
		}
	}
	return is
}()

// Plain says that encoded is what [base64.StdEncoding] writes, no byte more and none other: most files hold nothing else, and need not be written anew.
func Plain(encoded []byte) bool {
	digits := bytes.TrimSuffix(bytes.TrimSuffix(encoded, []byte("=")), []byte("="))
	if len(digits) == 0 || len(encoded)%4 != 0 {
		return false
	}
	var other byte
	for _, c := range digits {
		other |= foreign[c]
	}
	if other != 0 {
		return false
	}
	var last [3]byte
	_, err := base64.StdEncoding.Strict().Decode(last[:], encoded[len(encoded)-4:]) // bits behind the last byte are 0
	return err == nil
}

// Decode is Python's urlsafe_b64decode, which the reference reads pictures with (cn_clip/training/data.py:110): both alphabets, other
// bytes skipped, padding required, nothing read after it; but no data at all is an error. It uses encoded as scratch.
func Decode(encoded []byte) ([]byte, error) {
	if Plain(encoded) {
		return base64.StdEncoding.AppendDecode(nil, encoded)
	}
	kept, pads := encoded[:0], 0
	padded := false
	for _, c := range encoded {
		if c == '=' {
			if pads++; len(kept)%4 >= 2 && len(kept)%4+pads >= 4 {
				padded = true
				break
			}
			continue
		}
		if v := standard[c]; v != 0 {
			kept, pads = append(kept, v), 0
		}
	}
	switch {
	case len(kept)%4 == 1:
		return nil, fmt.Errorf("not base64: %d characters of data, which no padding completes", len(kept))
	case len(kept)%4 != 0 && !padded:
		return nil, fmt.Errorf("base64 without padding after %d characters; the line is probably cut off", len(kept))
	case len(kept) == 0:
		return nil, errors.New("no base64 data")
	}
	return base64.RawStdEncoding.AppendDecode(nil, kept)
}
