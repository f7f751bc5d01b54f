package captions

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func read(t *testing.T, name, content string) []Caption {
	t.Helper()
	got, err := Read(name, strings.NewReader(content))
	if err != nil {
		t.Errorf("%s %q: %v", name, content, err)
	}
	return got
}

// Every separator, by itself.
func TestSeparators(t *testing.T) {
	want := []Caption{{"a.jpg", "红, 绿; 蓝", "", 2}, {"红/b.jpg", `一件"大衣"`, "", 3}}
	for name, content := range map[string]string{
		"x.csv":      "image,caption\na.jpg,\"红, 绿; 蓝\"\n红\\b.jpg,\"一件\"\"大衣\"\"\"\n",
		"tabs.csv":   "filepath\ttitle\r\na.jpg\t红, 绿; 蓝\r\n红/b.jpg\t一件\"大衣\"\r\n",
		"x.tsv":      "\ufeffimage\tcaption\na.jpg\t红, 绿; 蓝\n./红/b.jpg\t\"一件\"\"大衣\"\"\"",
		"commas.tsv": "image,caption\na.jpg,\"红, 绿; 蓝\"\n红/b.jpg,一件\"大衣\"\n",
		"semi.csv":   "Image;n;Caption;\na.jpg;1;\"红, 绿; 蓝\";\n红/b.jpg;2;一件\"大衣\";;;\n",
		"zh.csv":     "序号,图片,描述\n1,a.jpg,\"红, 绿; 蓝\"\n2,红/b.jpg,一件\"大衣\"\n",
		"bars.txt":   "image_name| comment_number| comment\na.jpg| 0| 红, 绿; 蓝\n红/b.jpg| 1| 一件\"大衣\"\n",
		"excel.csv":  "sep=;\nimage;caption\na.jpg;\"红, 绿; 蓝\"\n红/b.jpg;一件\"大衣\"\n",
	} {
		got := read(t, name, content)
		if name == "excel.csv" {
			for i := range got {
				got[i].Line--
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// Quotation marks stand for themselves where they are not those of CSV.
func TestQuotes(t *testing.T) {
	for _, c := range []struct{ ending, field, want string }{
		{"csv", `24" 显示器`, `24" 显示器`},
		{"csv", `"24"" 显示器"`, `24" 显示器`},
		{"csv", `"24" 显示器, 黑色"`, `24" 显示器, 黑色`},
		{"csv", `"24" 显示器"`, `24" 显示器`},
		{"csv", `"复古"外套`, `"复古"外套`},
		{"csv", `"复古" 和 "现代"`, `"复古" 和 "现代"`},
		{"csv", `"复古" 和, "现代"`, `复古" 和, "现代`},
		{"csv", ` "红, 绿"`, `红, 绿`},
		{"csv", "\"红,\n绿\"", "红,\n绿"},
		{"csv", "\"红,\r\n\"\"绿\"\"\"", "红,\n\"绿\""},
		{"csv", `一只"猫"`, `一只"猫"`},
		{"tsv", `"24寸`, `"24寸`},
		{"tsv", `""复古`, `""复古`},
		{"tsv", "\"红\n绿\"", "红\n绿"},
		{"tsv", `"红 绿"`, `红 绿`},
	} {
		comma := map[string]string{"csv": ",", "tsv": "\t"}[c.ending]
		for _, after := range []string{"", "\n", "\nb.jpg" + comma + "狗\nc.jpg" + comma + "5\" 屏\n"} {
			got := read(t, "x."+c.ending, "image"+comma+"caption\na.jpg"+comma+c.field+after)
			if len(got) != 1+strings.Count(after, ".jpg") || got[0].Text != c.want {
				t.Errorf("%q: %+v, want %q", c.field+after, got, c.want)
			}
		}
	}
	for content, want := range map[string][]Caption{
		"image\tcaption\na.jpg\t\"24寸\nb.jpg\t\"25寸\nc.jpg\t25寸\"\n": {{"a.jpg", `"24寸`, "", 2}, {"b.jpg", `"25寸`, "", 3}, {"c.jpg", `25寸"`, "", 4}},
		"image\tcaption\na.jpg\t\"24寸\nb.jpg\t25寸\"\n":               {{"a.jpg", `"24寸`, "", 2}, {"b.jpg", `25寸"`, "", 3}},
	} {
		if got := read(t, "x.tsv", content); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, want %v", content, got, want)
		}
	}
}

func TestLists(t *testing.T) {
	want := []Caption{{"a.jpg", "红", "", 1}, {"a.jpg", `"绿"的`, "", 1}}
	for name, content := range map[string]string{
		"x.jsonl":   `{"image": "a.jpg", "caption": ["红", "\"绿\"的"], "bbox": [[1, 2]]}` + "\n\n",
		"list.json": `[{"image": "a.jpg", "captions": ["红", "\"绿\"的"]}]`,
		"map.json":  `{"a.jpg": ["红", "\"绿\"的"]}`,
		"both.json": `{"other.one": {"x": 1}, "image": "a.jpg", "sentences": ["红", "\"绿\"的"], "b.c": "x"}`,
		"x.ndjson":  ` [{"file_name": "a.jpg", "text": "红"}, {"file_name": "a.jpg", "text": "\"绿\"的"}]`,
	} {
		if got := read(t, name, content); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	for _, cell := range []string{`"[""红"", ""\""绿\""的""]"`, `"['红', '""绿""的']"`, `"[ '红' ,""\""绿\""的""]"`} {
		got := read(t, "x.csv", "image,caption\na.jpg,"+cell+"\n")
		for i := range got {
			got[i].Line = 1
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", cell, got, want)
		}
	}
	for _, cell := range []string{"[红]", "['红', 绿]", "['红'", "[", "['红' '绿']", "['红',]"} {
		if got := read(t, "x.tsv", "image\tcaption\na.jpg\t"+cell+"\n"); len(got) != 1 || got[0].Text != cell {
			t.Errorf("%s: %v", cell, got)
		}
	}
	lines := read(t, "x.json", "[\n {\"image\": \"a.jpg\",\n  \"caption\": \"红\"},\n {\"image\": \"b.jpg\", \"caption\": \"绿\"}\n]\n")
	if len(lines) != 2 || lines[0].Line != 3 || lines[1].Line != 4 {
		t.Errorf("%v", lines)
	}
	lines = read(t, "x.json", "{\"image\": \"a.jpg\",\n\"caption\": \"红\"}\n{\"image\": \"b.jpg\", \"caption\": \"绿\"}")
	if len(lines) != 2 || lines[0].Line != 1 || lines[1].Line != 3 {
		t.Errorf("%v", lines)
	}
}

// Empty rows pass, wherever they stand.
func TestEmptyRows(t *testing.T) {
	for name, content := range map[string]string{
		"x.csv":   "\n\nimage,caption\n\na.jpg,红\n,\n , \n\n,,,\n",
		"x.tsv":   "image\tcaption\na.jpg\t红\n\t\n\r\n",
		"x.jsonl": "\n{\"image\": \"a.jpg\", \"caption\": \"红\"}\r\n\r\n \n",
		"x.json":  "\n[\n\n{\"image\": \"a.jpg\", \"caption\": \"红\"}\n]\n\n",
	} {
		if got := read(t, name, content); len(got) != 1 || got[0].Text != "红" {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// fault 16
func TestFaults(t *testing.T) {
	rows := strings.Repeat("a.jpg,\n", 30)
	for _, c := range []struct{ name, content, want string }{
		{"x.csv", "image,caption\n" + rows, "x.csv:2: no caption for a.jpg; line 3: no caption for a.jpg"},
		{"x.csv", "image,caption\n" + rows, "line 21: no caption for a.jpg; … (30 faults in all)"},
		{"x.csv", "image,caption\na.jpg,红,绿\nb.jpg\n", "x.csv:2: wrong number of fields: 3, the header has 2; put a caption that holds ',' in quotation marks; line 3: wrong"},
		{"x.csv", "image,caption\na.jpg,\"红\nb.jpg,绿\n,红\n", `x.csv:2: extraneous or missing " in quoted-field: a quotation mark opens and does not close; line 4: no picture named`},
		{"x.csv", "image,caption\ra.jpg,红\r", "x.csv:1: its lines end as on old Macs"},
		{"x.csv", "name,note\n", "x.csv:1: the columns are name, note; want one of image,"},
		{"x.csv", "\n", "x.csv:1: empty; want a header line"},
		{"x.csv", "i\x00m\x00a\x00g\x00e\x00", "x.csv:1: UTF-16; save the file as UTF-8: in Excel choose CSV UTF-8, elsewhere: iconv -f UTF-16LE -t UTF-8 x.csv > utf8.tmp && mv utf8.tmp x.csv"},
		{"x.csv", "\x00i\x00m\x00a\x00g\x00e", "iconv -f UTF-16BE"},
		{"x.csv", "\xff\xfei\x00m\x00", "iconv -f UTF-16 "},
		{"x.csv", "image,caption\na.jpg,\xd2\xbb\xcc\xf5\xb9\xb7\n", `x.csv:2: not UTF-8; save the file as UTF-8: it looks like GBK, in which this line is "a.jpg,一条狗", in Excel`},
		{"x.csv", "\xcd\xbc\xc6\xac,\xc3\xe8\xca\xf6\n", `x.csv:1: not UTF-8; save the file as UTF-8: it looks like GBK, in which this line is "图片,描述"`},
		{"x.csv", "image,caption\na.jpg,\xff\xff\n", "x.csv:2: not UTF-8; save the file as UTF-8 (in Excel"},
		{"x.jsonl", "{\"image\": \"a.jpg\"}\n{\"image\": 5}\n[1]\n{\"image\": \"a.jpg\", \"caption\": [\"红\", 5]}\n", "x.jsonl:1: no field caption, text"},
		{"x.jsonl", "{\"image\": \"a.jpg\", \"caption\": [\"红\", 5]}\n", "x.jsonl:1: caption[1] must be a string, not 5"},
		{"x.jsonl", "{\"image\": \"a.jpg\", \"caption\": []}\n", "x.jsonl:1: no caption for a.jpg"},
		{"x.jsonl", "{\"image\": \"a.jpg\", \"caption\": \"\xd2\xbb\xcc\xf5\"}\n", "x.jsonl:1: not UTF-8"},
		{"x.json", "[\n{\"image\": \"a.jpg\", \"caption\": \"\xd2\xbb\xcc\xf5\"}]", "x.json:2: not UTF-8"},
		{"x.json", "[{\"image\": \"a.jpg\",\n \"caption\": \"红\"", "x.json:1: not JSON: unexpected EOF"},
		{"x.json", "{\n \"a.jpg\": \"红\",\n \"b.jpg\" 5}", "x.json:3: not JSON"},
		{"x.json", `{"a.jpg": [5]}`, `x.json:1: "a.jpg"[0] must be a string, not 5`},
		{"x.json", `{"info": {"year": 2014}}`, `x.json:1: an object with "info" that names no picture; want a list of objects`},
		{"x.json", `{"info": 1, "images": [{"id": 1}]}`, `x.json:1: "images" of COCO's form; want a list of objects`},
		{"x.json", `5`, "x.json:1: it holds 5; want a list of objects"},
		{"x.json", ``, "x.json has no captions"},
		{"x.xlsx", ``, `x.xlsx: captions are read from .csv`},
		{"x.jsonl", strings.Repeat(" ", 2*MaxRecord), "x.jsonl:1: record longer than 1 MiB"},
		{"x.json", `[{"image": "` + strings.Repeat("x", 2*MaxRecord), "x.json:1: record longer than 1 MiB"},
		{"x.csv", "image,caption,split\na.jpg,红,train\nb.jpg,绿,\n", "x.csv:3: no split for b.jpg"},
	} {
		got, err := Read(c.name, strings.NewReader(c.content))
		if wrong := (*Error)(nil); !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %.60q: %v, error %v, want %q", c.name, c.content, got, err, c.want)
		}
	}
	if _, err := Lines("x.txt", io.LimitReader(spaces{}, MaxRecord+1)); err == nil || !strings.Contains(err.Error(), "x.txt: more than 1 MiB") {
		t.Error(err)
	}
	broken := errors.New("input/output error")
	for _, name := range []string{"x.csv", "x.jsonl", "x.json"} {
		start := map[string]string{"x.csv": "image,caption\na.jpg,\"红\n"}[name]
		if _, err := Read(name, io.MultiReader(strings.NewReader(start), failing{broken})); !errors.Is(err, broken) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func FuzzRead(f *testing.F) {
	names, err := filepath.Glob("../testdata/broken/captions/*")
	more, err2 := filepath.Glob("../testdata/cases/*/*")
	if err := errors.Join(err, err2); err != nil || len(names) == 0 || len(more) == 0 {
		f.Fatalf("no files (error %v)", err)
	}
	forms := []string{".csv", ".tsv", ".jsonl", ".json"}
	for _, name := range append(names, more...) {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for form, ending := range forms {
			if ending == filepath.Ext(name) {
				f.Add(data, byte(form))
			}
		}
	}
	f.Add([]byte("\ufeffimage,caption\na.png,\"一只,\n猫\"\n"), byte(0))
	f.Add([]byte("image\tcaption\tsplit\na.png\t\"一只\t['猫', \"狗\"]\n"), byte(1))
	f.Add([]byte(`{"a.jpg": ["红", "绿"], "b.jpg": "蓝"}`), byte(3))
	f.Fuzz(func(t *testing.T, data []byte, form byte) {
		captions, err := Read("fuzz"+forms[int(form)%len(forms)], strings.NewReader(string(data)))
		if err != nil {
			if wrong := (*Error)(nil); !errors.As(err, &wrong) {
				t.Fatalf("error %v is not of the file", err)
			}
			return
		}
		for _, c := range captions {
			if c.Text == "" || c.Image == "" || c.Line < 1 || c.Text != strings.TrimSpace(c.Text) {
				t.Fatalf("%+v of %d captions", c, len(captions))
			}
		}
	})
}
