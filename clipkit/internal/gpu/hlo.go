package gpu

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Operations are those of one kind in a compiled program.
type Operations struct {
	Kind  string // "fusion loop_transpose_fusion", "custom-call __cublas$lt$matmul", "copy"
	Count int
	Bytes float64 // of results and operands, each as if it were read or written whole
}

// CountHLO reads the text of an HLO module, as --xla_dump_hlo_as_text leaves it behind after optimisation, and counts what it runs by kind, those that
// move most bytes first. What lies inside a fusion is not counted: it never reaches memory. Bodies of loops count once.
func CountHLO(r io.Reader) ([]Operations, error) {
	m, err := readHLO(r)
	if err != nil {
		return nil, err
	}
	kinds := map[string]*Operations{}
	seen := map[string]bool{}
	var count func(computation string)
	count = func(computation string) {
		if seen[computation] {
			return
		}
		seen[computation] = true
		for _, op := range m.computations[computation] {
			if called := op.runs(); called != "" {
				count(called)
				continue
			}
			if noTraffic[op.code] {
				continue
			}
			kind := op.kind()
			k := kinds[kind]
			if k == nil {
				k = &Operations{Kind: kind}
				kinds[kind] = k
			}
			k.Count++
			k.Bytes += op.bytes
			for _, name := range op.operands {
				k.Bytes += m.sizes[computation+"/"+name]
			}
		}
	}
	count(m.entry)
	list := make([]Operations, 0, len(kinds))
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		list = append(list, *kinds[k])
	}
	slices.SortStableFunc(list, func(a, b Operations) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return list, nil
}

// noTraffic are operations that name data and move none.
var noTraffic = map[string]bool{"parameter": true, "constant": true, "tuple": true, "get-tuple-element": true, "bitcast": true, "after-all": true}

type hloModule struct {
	entry        string
	computations map[string][]hloOperation
	sizes        map[string]float64 // of the result of computation/name
}

type hloOperation struct {
	name, code, rest string
	bytes            float64
	operands         []string
}

var (
	hloShape  = regexp.MustCompile(`\b(pred|bf16|[suf]\d+(?:e\d+m\d+\w*)?|c64|c128)\[([\d,]*)\]`)
	hloName   = regexp.MustCompile(`%([\w.\-]+)`)
	hloHead   = regexp.MustCompile(`^(ENTRY )?%?([\w.\-]+) .*\{$`)
	hloCalled = regexp.MustCompile(`\b(?:to_apply|body|called_computations=\{|calls)=?%?([\w.\-]+)`)
	hloTarget = regexp.MustCompile(`custom_call_target="([^"]+)"`)
	hloNumber = regexp.MustCompile(`(\.\d+|\.clone|\.remat\d*|_\d+)+$`)
)

// maxHLOLine is more than the longest that a training step of hundreds of parameters has.
const maxHLOLine = 64 << 20

func readHLO(r io.Reader) (*hloModule, error) {
	m := &hloModule{computations: map[string][]hloOperation{}, sizes: map[string]float64{}}
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 1<<16), maxHLOLine)
	computation := ""
	for in.Scan() {
		line := strings.TrimRight(in.Text(), " ")
		switch {
		case line == "}":
			computation = ""
		case computation == "":
			if h := hloHead.FindStringSubmatch(line); h != nil && !strings.HasPrefix(line, "HloModule") {
				computation = h[2]
				if h[1] != "" {
					m.entry = computation
				}
			}
		default:
			if op, ok := readOperation(line); ok {
				m.computations[computation] = append(m.computations[computation], op)
				m.sizes[computation+"/"+op.name] = op.bytes
			}
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("reading HLO: %w", err)
	}
	if m.entry == "" {
		return nil, fmt.Errorf("reading HLO: no computation is the ENTRY; want the text of a module, such as module_0001.….after_optimizations.txt")
	}
	return m, nil
}

// readOperation reads "%name = shape code(operands), attributes".
func readOperation(line string) (op hloOperation, ok bool) {
	left, right, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "ROOT "), " = ")
	if !ok {
		return op, false
	}
	op.name = strings.TrimPrefix(left, "%")
	end := strings.IndexByte(right, ' ')
	if strings.HasPrefix(right, "(") { // the shape is a tuple
		end = closing(right, 0) + 1
	}
	if end <= 0 || end >= len(right) {
		return op, false
	}
	op.bytes = shapeBytes(right[:end])
	right = strings.TrimSpace(right[end:])
	open := strings.IndexByte(right, '(')
	if open <= 0 {
		return op, false
	}
	op.code = right[:open]
	end = closing(right, open)
	if end < 0 {
		return op, false
	}
	for _, name := range hloName.FindAllStringSubmatch(right[open:end], -1) {
		op.operands = append(op.operands, name[1])
	}
	op.rest = right[end:]
	return op, true
}

// closing is where the bracket that opens at a place closes; -1 = nowhere.
func closing(s string, at int) int {
	depth := 0
	for i := at; i < len(s); i++ {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// shapeBytes is the size of all arrays that a shape names.
func shapeBytes(shape string) (bytes float64) {
	for _, s := range hloShape.FindAllStringSubmatch(shape, -1) {
		size := 1.0
		for _, d := range strings.Split(s[2], ",") {
			if n, err := strconv.ParseFloat(d, 64); err == nil {
				size *= n
			}
		}
		bytes += size * elementBytes(s[1])
	}
	return bytes
}

func elementBytes(dtype string) float64 {
	digits := strings.TrimLeft(dtype, "bsufc")
	if n, _, ok := strings.Cut(digits, "e"); ok {
		digits = n
	}
	bits, err := strconv.Atoi(digits)
	if err != nil { // pred
		return 1
	}
	return float64(bits) / 8
}

// runs is the computation that an operation only hands over to; "" = it does something itself.
func (op hloOperation) runs() string {
	if op.code != "call" && op.code != "while" && op.code != "async-start" {
		return ""
	}
	if c := hloCalled.FindStringSubmatch(op.rest); c != nil {
		return c[1]
	}
	return ""
}

// kind tells fusions apart by the name that the compiler gave them, which says what they are made of, and calls of libraries by their target.
func (op hloOperation) kind() string {
	switch op.code {
	case "fusion":
		return "fusion " + hloNumber.ReplaceAllString(op.name, "")
	case "custom-call":
		if t := hloTarget.FindStringSubmatch(op.rest); t != nil {
			return "custom-call " + t[1]
		}
	}
	return op.code
}

// families are the kinds that a page sums up first, each by what its name contains; the first that fits counts.
var families = []struct {
	name  string
	parts []string
}{
	{"attention in one call", []string{"fmha"}},
	{"products", []string{"cublas", "gemm", "dot", "onednn", "ynn", "convolution"}},
	{"transposes", []string{"transpose"}},
	{"copies", []string{"copy"}},
	{"conversions", []string{"convert"}},
	{"sums and largest of rows (norms, softmax, bias)", []string{"reduce"}},
	{"other fusions", []string{"fusion"}},
	{"the rest", []string{""}},
}

// Page writes a count as a page of text: the families, then the kinds that move most.
func Page(w io.Writer, list []Operations, kinds int) {
	sums := make([]Operations, len(families))
	var all Operations
	for _, k := range list {
		all.Count, all.Bytes = all.Count+k.Count, all.Bytes+k.Bytes
	family:
		for i, f := range families {
			for _, part := range f.parts {
				if strings.Contains(k.Kind, part) {
					sums[i].Count, sums[i].Bytes = sums[i].Count+k.Count, sums[i].Bytes+k.Bytes
					break family
				}
			}
		}
	}
	line := func(k Operations, name string) {
		fmt.Fprintf(w, "%9.3f GB %5.1f %% %6d x  %s\n", k.Bytes/1e9, 100*k.Bytes/max(all.Bytes, 1), k.Count, name)
	}
	line(all, "all operations (bytes of results and operands)")
	for i, s := range sums {
		if s.Count > 0 {
			line(s, families[i].name)
		}
	}
	fmt.Fprintln(w)
	for _, k := range list[:min(kinds, len(list))] {
		line(k, k.Kind)
	}
}
