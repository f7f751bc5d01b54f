package assets

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	_ "image/png"
	"io/fs"
	"strconv"
	"strings"
	"testing"
)

// emojiSHA256 is what generate/emoji.py printed when emoji.zip was committed.
const emojiSHA256 = "60ba802c699b3d97444199b857cb491d66f2751c542ba81d688adedcd0449f4b"

var splits = map[string]int{"train": 1202, "valid": 150, "test": 500} // pictures

type caption struct {
	TextID   int    `json:"text_id"`
	Text     string `json:"text"`
	ImageIDs []int  `json:"image_ids"`
}

func TestEmojiArchive(t *testing.T) {
	if size := len(emojiZip); size > 5_000_000 {
		t.Errorf("emoji.zip has %d bytes, more than the 5 MB that every program is to carry", size)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(emojiZip))); sum != emojiSHA256 {
		t.Errorf("emoji.zip has sha256 %s, want %s; if it was made anew on purpose, put the new hash into this test", sum, emojiSHA256)
	}
}

func TestEmojiPictures(t *testing.T) {
	seen := map[int]string{}
	for split, want := range splits {
		rows := lines(t, split+"_imgs.tsv")
		if len(rows) != want {
			t.Errorf("%s_imgs.tsv has %d pictures, want %d", split, len(rows), want)
		}
		for n, row := range rows {
			id, encoded, _ := strings.Cut(row, "\t")
			number, err := strconv.Atoi(id)
			if err != nil {
				t.Fatalf("%s_imgs.tsv line %d: id %q is not a number", split, n+1, id)
			}
			if other, ok := seen[number]; ok {
				t.Errorf("picture %d is in %s and in %s", number, other, split)
			}
			seen[number] = split
			data, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				t.Fatalf("%s_imgs.tsv line %d: %v", split, n+1, err)
			}
			picture, _, err := image.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatalf("%s_imgs.tsv line %d: %v", split, n+1, err)
			}
			if size := picture.Bounds().Size(); size != image.Pt(64, 64) {
				t.Errorf("picture %d has size %v, want 64×64", number, size)
			}
			if blank(picture) {
				t.Errorf("picture %d has one colour all over", number)
			}
		}
	}
}

func TestEmojiCaptions(t *testing.T) {
	texts, textIDs, names := map[string]string{}, map[int]string{}, map[string]string{}
	for split, pictures := range splits {
		perPicture := map[int]int{}
		for n, row := range lines(t, split+"_texts.jsonl") {
			where := fmt.Sprintf("%s_texts.jsonl line %d", split, n+1)
			var c caption
			if err := json.Unmarshal([]byte(row), &c); err != nil {
				t.Fatalf("%s: %v", where, err)
			}
			if len(c.ImageIDs) != 1 {
				t.Fatalf("%s: %q belongs to pictures %v, want one", where, c.Text, c.ImageIDs)
			}
			if other, ok := texts[c.Text]; ok {
				t.Errorf("%s: %q is also in %s", where, c.Text, other)
			}
			if other, ok := textIDs[c.TextID]; ok {
				t.Errorf("%s: text id %d is also in %s", where, c.TextID, other)
			}
			texts[c.Text], textIDs[c.TextID] = where, where
			if perPicture[c.ImageIDs[0]] == 0 { // the first caption is the bare name
				if other, ok := names[c.Text]; ok {
					t.Errorf("%s: the emoji %s is also in %s", where, c.Text, other)
				}
				names[c.Text] = split
			}
			perPicture[c.ImageIDs[0]]++
		}
		for _, row := range lines(t, split+"_imgs.tsv") {
			id, _, _ := strings.Cut(row, "\t")
			number, _ := strconv.Atoi(id)
			if perPicture[number] != 5 {
				t.Errorf("%s: picture %s has %d captions, want 5", split, id, perPicture[number])
			}
		}
		if len(perPicture) != pictures {
			t.Errorf("%s_texts.jsonl speaks of %d pictures, want %d", split, len(perPicture), pictures)
		}
	}
}

func lines(t *testing.T, name string) []string {
	t.Helper()
	fsys, err := Emoji()
	if err != nil {
		t.Fatal(err)
	}
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for scanner := bufio.NewScanner(bytes.NewReader(data)); scanner.Scan(); {
		rows = append(rows, scanner.Text())
	}
	return rows
}

func blank(picture image.Image) bool {
	first := picture.At(0, 0)
	for y := range picture.Bounds().Dy() {
		for x := range picture.Bounds().Dx() {
			if picture.At(x, y) != first {
				return false
			}
		}
	}
	return true
}
