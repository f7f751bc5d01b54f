package dataset

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Published describes a set that the reference's README names.
type Published struct {
	Name     string // and that of its folder below datasets/
	Report   string // the split that published figures are of
	BothWays bool   // they have text→image and image→text; else text→image alone
	Address  string // of the archive, to be unpacked in datasets/
	// Sizes are the published ones, by split; 0 where they are not known.
	Sizes map[string]PublishedSize
	// LastID is a number that no picture's exceeds; 0 where it is not known.
	LastID int64
}

// PublishedSize is the size of a published split.
type PublishedSize struct{ Images, Texts, Pairs int }

const publishedArchives = "https://huggingface.co/datasets/OFA-Sys/chinese-clip-eval/resolve/main/"

// publishedSets are the retrieval sets. MUGE's test answers are hidden, so its figures are of valid.
var publishedSets = []Published{
	{Name: "MUGE", Report: "valid", Address: publishedArchives + "MUGE.zip", Sizes: map[string]PublishedSize{
		"train": {Images: 129_380, Pairs: 250_314},
		"valid": {Images: 29_806, Texts: 5_008, Pairs: 30_588},
		"test":  {Images: 30_399, Texts: 5_004},
	}},
	// Flickr's own numbers of its pictures go up to 8.3·10⁹.
	{Name: "Flickr30k-CN", Report: "test", BothWays: true, Address: publishedArchives + "Flickr30k-CN.zip", LastID: 8_999_999_999, Sizes: map[string]PublishedSize{
		"test": {Images: 1_000, Texts: 5_000, Pairs: 5_000},
	}},
	{Name: "COCO-CN", Report: "test", BothWays: true, Address: publishedArchives + "COCO-CN.zip", Sizes: map[string]PublishedSize{
		"train": {Images: 18_341},
		"valid": {Images: 1_000},
		"test":  {Images: 1_000},
	}},
}

// PublishedNames are those of the retrieval sets.
func PublishedNames() (names []string) {
	for _, p := range publishedSets {
		names = append(names, p.Name)
	}
	return names
}

// FindPublished finds a set by its name; case, hyphens and underscores do not count.
func FindPublished(name string) (Published, bool) {
	plain := strings.NewReplacer("-", "", "_", "")
	for _, p := range publishedSets {
		if strings.EqualFold(plain.Replace(p.Name), plain.Replace(name)) {
			return p, true
		}
	}
	return Published{}, false
}

// Recognise tells which published set d is, by what is in it and not by its folder's name: the split that published figures are of has the numbers of pictures,
// captions and pairs, every split with known numbers has these, and no picture has a number that the set does not give. Where the number of captions is
// not known, the name has to be the set's as well.
func Recognise(d *Dataset) (Published, bool) {
	for _, p := range publishedSets {
		named, _ := FindPublished(d.Name)
		if (p.Sizes[p.Report].Texts > 0 || named.Name == p.Name) && p.Differs(d) == "" {
			return p, true
		}
	}
	return Published{}, false
}

// Differs says in what d is not the published set; "" where nothing speaks against it.
func (p Published) Differs(d *Dataset) string {
	for _, s := range d.splits() {
		source, want := *s.source, p.Sizes[s.name]
		if source == nil {
			if s.name == p.Report {
				return "it has no " + s.name + " split"
			}
			continue
		}
		for _, c := range []struct {
			what      string
			got, want int
		}{{"pictures", len(source.ImageIDs()), want.Images}, {"captions", len(source.Texts()), want.Texts}, {"pairs", len(Pairs(source)), want.Pairs}} {
			if c.want != 0 && c.got != c.want {
				return fmt.Sprintf("its %s split has %d %s, the published one %d", s.name, c.got, c.what, c.want)
			}
		}
		for _, id := range source.ImageIDs() {
			if p.LastID != 0 && id > p.LastID {
				return fmt.Sprintf("its %s split has a picture with the number %d, the published ones go up to %d", s.name, id, p.LastID)
			}
		}
	}
	return ""
}

// OpenPublished opens a published set in root/datasets/<name>. Where it is not there, the error says where to get it and where to put it.
func OpenPublished(root, name string) (*Dataset, error) {
	p, ok := FindPublished(name)
	if !ok {
		return nil, fmt.Errorf("%w: no published set is called %q; those known are %s", ErrNotFound, name, strings.Join(PublishedNames(), ", "))
	}
	return Open(filepath.Join(root, "datasets", p.Name))
}

func (p Published) missing(path string) error {
	return fmt.Errorf("%w: %s; \"go run ./clipkit/cmd/clipkit fetch %s\" brings it, or download %s and unpack it in %s, so that %s exists",
		ErrNotFound, path, p.Name, p.Address, filepath.Dir(path), filepath.Join(path, p.Report+"_imgs.tsv"))
}
