package tensor

import (
	"strings"
	"testing"
)

func TestOtherKinds(t *testing.T) {
	for head, want := range map[string]string{"\x1f\x8b\x08\x00": "gzip", "\x28\xb5\x2f\xfd": "zstd", "7z\xbc\xaf\x27\x1c": "7z", "\x89HDF\r\n": "Keras",
		"GGUF\x03": "llama", "\n <html>": "HTML", "<?xml version": "error message", "PK\x03\x04": "", "\x80\x02\x8a\x0a": "", "": ""} {
		if got := OtherKind([]byte(head)); !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%q is %q, want %q", head, got, want)
		}
	}
}
