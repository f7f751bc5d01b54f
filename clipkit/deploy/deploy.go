// Package deploy writes a model into a folder that any ONNX runtime can use, and uses such a folder as a model.
//
//	list, err := deploy.Write(ctx, "deploy", ident, m, deploy.Options{Precisions: []onnx.Precision{onnx.F32, onnx.F16}}, say)
//	// deploy/vit-b-16.img.fp32.onnx, …txt.fp32.onnx, …img.fp16.onnx, …txt.fp16.onnx, vocab.txt, deploy.json
//	small, err := deploy.Open("deploy", "fp16", "")       // a *model.Model on the processor, by ONNX Runtime
//	v, err := small.EncodeTexts(ctx, ids, n)
//
// The files are package onnx's, under the reference's names (cn_clip/deploy/pytorch_to_onnx.py). deploy.json, the manifest, says what is there: the
// architecture, which weights these are, what a picture and a text go through before them. vocab.txt comes with the text tower: a program without
// clipkit makes tokens from it. Package parity compares such a folder with the model that it was made of.
//
// # One folder, one model
//
// Exporting once more adds precisions and towers. Where the folder holds another model, or other weights, that one's files are removed first. The manifest
// is away while files are being written, so a folder is whole or none.
//
// # Who is who
//
// Vectors of two precisions do not belong in one index. Each precision has a fingerprint of its own, made of the weights', the precision and how it was
// written. It does not depend on which towers are there: a server with the text tower alone opens the index that both have built.
//
// # Limits on outside bytes
//
// A folder may come from anywhere. The manifest has at most 1 MiB and names plain files of the folder. Each must be a regular file of its own, no link, with
// the length and, before it is used, the SHA-256 of the manifest. What an ONNX file keeps beside it (external data) may lie only in the file that the
// manifest names for it, inside its length: the file is walked through before ONNX Runtime sees it.
package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/regular"
	"clipnb/clipkit/model"
	"clipnb/clipkit/onnx"
)

// Sentinels.
var (
	ErrFolder = errors.New("no usable export")
	ErrAbsent = errors.New("it is not in this export")
	ErrOption = errors.New("cannot export")
)

// ManifestName is the file that makes a folder an export; package parity writes ParityName beside it.
const (
	ManifestName = "deploy.json"
	ParityName   = "PARITY.md"
)

const (
	vocabularyName = "vocab.txt"
	extraSuffix    = ".extra_file" // package onnx's
	maxManifest    = 1 << 20
	maxFiles       = 64
	version        = 1
)

// Precisions are those that can be written, the exact one first.
var Precisions = []onnx.Precision{onnx.F32, onnx.F16, onnx.Int8}

// Sides are the towers, pictures first.
var Sides = []onnx.Side{onnx.Images, onnx.Texts}

// Options of an export; the zero value writes both towers in every precision, for the reference's users: raw features come out.
type Options struct {
	Precisions []onnx.Precision // none = all of Precisions
	Sides      []onnx.Side      // none = both
	Opset      int              // 0 = onnx.DefaultOpset
	Normalize  bool             // unit vectors come out
	Beside     bool             // weights in a file beside each, as the reference has them for float16
	Close      bool             // Model.Export closes the model before it compares files with what the model made, so that both are never in memory

	ReduceRange bool     // int8: weights of 7 bits, for processors without VNNI (package onnx)
	Whole       []string // int8: matrices that stay in float32, by what their names begin with
}

// Parse takes over lists as a command line has them: "fp32,fp16" and "img", "txt" or "both".
func (o *Options) Parse(precisions, side string) error {
	for _, p := range strings.FieldsFunc(precisions, func(r rune) bool { return r == ',' || r == ' ' }) {
		o.Precisions = append(o.Precisions, onnx.Precision(p))
	}
	if side != "" && side != "both" {
		o.Sides = []onnx.Side{onnx.Side(side)}
	}
	return o.check()
}

func (o Options) check() error {
	for _, p := range o.Precisions {
		if !slices.Contains(Precisions, p) {
			return fmt.Errorf("%w: precision %q, want some of %v", ErrOption, p, Precisions)
		}
	}
	for _, s := range o.Sides {
		if !slices.Contains(Sides, s) {
			return fmt.Errorf("%w: side %q, want \"img\" (pictures), \"txt\" (texts) or \"both\"", ErrOption, s)
		}
	}
	return nil
}

// of is what package onnx is told for one precision.
func (o Options) of(p onnx.Precision) onnx.Options {
	of := onnx.Options{Precision: p, Opset: o.Opset, Normalize: o.Normalize, Beside: o.Beside}
	if p == onnx.Int8 {
		of.ReduceRange, of.Whole = o.ReduceRange, o.Whole
	}
	return of
}

// settings are what a precision's values depend on.
func (o Options) settings(p onnx.Precision) string {
	same := o.of(p)
	same.Normalize, same.Beside = false, false
	return fmt.Sprintf("%+v", same)
}

// sevenBits says whether the file's matrices of 8 bits use 7 of them (Options.settings).
func (f *File) sevenBits() bool { return strings.Contains(f.Settings, "ReduceRange:true") }

// Manifest is what a folder says of itself.
type Manifest struct {
	Version    int         `json:"version"`
	Model      model.Ident `json:"model"` // that was exported, and its weights' fingerprint
	Config     arch.Config `json:"config"`
	LogitScale float64     `json:"logit_scale"` // what multiplies cosines
	Pictures   Pictures    `json:"pictures"`
	Texts      Texts       `json:"texts"`
	Files      []File      `json:"files"`
}

// Pictures is how a picture becomes an input.
type Pictures struct {
	Input      string     `json:"input"`
	Resize     string     `json:"resize"`
	Resolution int        `json:"resolution"`
	Mean       [3]float32 `json:"mean"`
	Std        [3]float32 `json:"std"`
}

// Texts is how a text becomes an input.
type Texts struct {
	Input         string `json:"input"`
	Tokens        string `json:"tokens"`
	ContextLength int    `json:"context_length"`
	Vocabulary    string `json:"vocabulary,omitempty"` // a file of the folder
}

// File is one tower in one precision.
type File struct {
	Side       onnx.Side      `json:"side"`
	Precision  onnx.Precision `json:"precision"`
	Opset      int            `json:"opset"`
	Normalized bool           `json:"normalized"`
	Settings   string         `json:"settings"` // that its values depend on, beside the precision
	Input      string         `json:"input"`
	Output     string         `json:"output"`
	Stored
	Beside *Stored `json:"beside,omitempty"` // its external data
}

// Stored is a file of the folder.
type Stored struct {
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

func describe(cfg arch.Config) (Pictures, Texts) {
	mean, std := imaging.Statistics()
	return Pictures{
			Input:      "float32 [batch,3,resolution,resolution]: red, green, blue, each (level/255 - mean) / std",
			Resize:     "bicubic with antialiasing (Pillow's) to resolution x resolution, whatever the shape; then RGB",
			Resolution: cfg.ImageResolution, Mean: mean, Std: std,
		}, Texts{
			Input:         "int64 [batch,length]: 101 ([CLS]), at most context_length - 2 tokens, 102 ([SEP]), then 0 ([PAD]); any length up to context_length",
			Tokens:        "lower case, curly quotes made straight, then BERT's basic and WordPiece tokens of the vocabulary, one entry a line, numbered from 0",
			ContextLength: cfg.ContextLength,
		}
}

// Precisions are those of the folder, in its order.
func (m *Manifest) Precisions() (list []onnx.Precision) {
	for _, f := range m.Files {
		if !slices.Contains(list, f.Precision) {
			list = append(list, f.Precision)
		}
	}
	return list
}

// file finds a tower, or nil.
func (m *Manifest) file(s onnx.Side, p onnx.Precision) *File {
	for i := range m.Files {
		if f := &m.Files[i]; f.Side == s && f.Precision == p {
			return f
		}
	}
	return nil
}

// fingerprint is that of a precision's vectors. Towers of one precision have the same settings.
func (m *Manifest) fingerprint(p onnx.Precision) string {
	settings := ""
	for _, f := range m.Files {
		if f.Precision == p {
			settings = f.Settings
		}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "clipkit export\n%s\n%s\n%s\n", m.Model.Fingerprint, p, settings))
	return hex.EncodeToString(sum[:])
}

// IsFolder tells whether a folder is an export.
func IsFolder(dir string) bool {
	f, err := regular.Open(filepath.Join(dir, ManifestName))
	if err != nil {
		return errors.Is(err, regular.ErrSpecial) // what is wrong with it is ReadManifest's to say
	}
	f.Close()
	return true
}

// ReadManifest reads and checks a folder's manifest, not yet its files.
func ReadManifest(dir string) (*Manifest, error) {
	path := filepath.Join(dir, ManifestName)
	b, err := regular.ReadFile(path, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("opening the export %s: %w: %w", dir, ErrFolder, err)
	}
	m, err := parseManifest(b)
	if err != nil {
		return nil, fmt.Errorf("opening the export %s: %w: %s: %w", dir, ErrFolder, ManifestName, err)
	}
	return m, nil
}

var (
	hashForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
	wordForm = regexp.MustCompile(`^[a-z0-9]{1,16}$`)
)

func parseManifest(b []byte) (*Manifest, error) {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, err
	}
	if head.Version != version {
		return nil, fmt.Errorf("version %d, this clipkit reads %d: export again with it", head.Version, version)
	}
	m := &Manifest{}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, err
	}
	if err := m.Config.Check(); err != nil {
		return nil, err
	}
	if !(m.LogitScale > 0 && m.LogitScale < 1e6) || !hashForm.MatchString(m.Model.Fingerprint) {
		return nil, fmt.Errorf("logit_scale %v and fingerprint %.80q, want a positive number and a SHA-256", m.LogitScale, m.Model.Fingerprint)
	}
	if len(m.Files) == 0 || len(m.Files) > maxFiles {
		return nil, fmt.Errorf("it lists %d files, want 1 to %d", len(m.Files), maxFiles)
	}
	for i, f := range m.Files {
		if !slices.Contains(Sides, f.Side) || !wordForm.MatchString(string(f.Precision)) || m.file(f.Side, f.Precision) != &m.Files[i] {
			return nil, fmt.Errorf("file %d is of side %.40q and precision %.40q: want \"img\" or \"txt\", a word, and no pair twice", i, f.Side, f.Precision)
		}
		stored := []Stored{f.Stored}
		if f.Beside != nil {
			stored = append(stored, *f.Beside)
		}
		for _, s := range stored {
			if err := s.check(); err != nil {
				return nil, fmt.Errorf("file %d: %w", i, err)
			}
		}
	}
	return m, nil
}

func (s Stored) check() error {
	if !plain(s.Path) || s.Bytes < 1 || !hashForm.MatchString(s.SHA256) {
		return fmt.Errorf("path %.80q, %d bytes, SHA-256 %.80q: want the name of a file in the folder, its length and hash", s.Path, s.Bytes, s.SHA256)
	}
	return nil
}

// plain tells whether a name stays in the folder.
func plain(name string) bool {
	return name != "" && name == filepath.Base(name) && name != "." && name != ".." && filepath.IsLocal(name) && !strings.ContainsAny(name, "/\\\x00")
}
