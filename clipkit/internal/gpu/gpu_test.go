package gpu

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// module is as XLA writes one for a GPU, cut down.
const module = `HloModule jit_step, is_scheduled=true, entry_computation_layout={(f32[8,4]{1,0})->f32[8,4]{1,0}}

%fused_transpose (param_0.1: bf16[8,4]) -> bf16[4,8] {
  %param_0.1 = bf16[8,4]{1,0} parameter(0)
  ROOT %transpose.1 = bf16[4,8]{1,0} transpose(%param_0.1), dimensions={1,0}
}

%command_buffer (p: bf16[8,4]) -> bf16[4,8] {
  %p = bf16[8,4]{1,0} parameter(0)
  %loop_transpose_fusion.12 = bf16[4,8]{1,0} fusion(%p), kind=kInput, calls=%fused_transpose
  ROOT %loop_transpose_fusion.13.clone = bf16[4,8]{1,0} fusion(%loop_transpose_fusion.12), kind=kInput, calls=%fused_transpose
}

ENTRY %main.9 (Arg_0.1: f32[8,4], Arg_1.2: pred[]) -> f32[8,4] {
  %Arg_0.1 = f32[8,4]{1,0} parameter(0), metadata={op_name="x (y)"}
  %wrapped_convert = bf16[8,4]{1,0} fusion(%Arg_0.1), kind=kLoop, calls=%wrapped_convert_computation
  %call = bf16[4,8]{1,0} call(%wrapped_convert), to_apply=%command_buffer
  %cublas-lt-matmul.4 = (f32[8,4]{1,0}, s8[1024]{0}) custom-call(%call, %wrapped_convert), custom_call_target="__cublas$lt$matmul", backend_config={"a":"(b)"}
  ROOT %get-tuple-element.2 = f32[8,4]{1,0} get-tuple-element(%cublas-lt-matmul.4), index=0
}
`

func TestCountHLO(t *testing.T) {
	list, err := CountHLO(strings.NewReader(module))
	if err != nil {
		t.Fatal(err)
	}
	want := []Operations{
		{"custom-call __cublas$lt$matmul", 1, 128 + 1024 + 64 + 64},
		{"fusion loop_transpose_fusion", 2, 4 * 64},
		{"fusion wrapped_convert", 1, 128 + 64},
	}
	if len(list) != len(want) {
		t.Fatalf("%v, want %v", list, want)
	}
	for i := range want {
		if list[i] != want[i] {
			t.Errorf("%v, want %v", list[i], want[i])
		}
	}
	var page bytes.Buffer
	Page(&page, list, 2)
	for _, s := range []string{"4 x  all operations", "2 x  transposes", "1 x  products", "1 x  conversions"} {
		if !strings.Contains(page.String(), s) {
			t.Errorf("the page lacks %q:\n%s", s, &page)
		}
	}
	if _, err := CountHLO(strings.NewReader("HloModule m\n")); err == nil {
		t.Error("a module without an entry is counted")
	}
}

// FuzzCountHLO: a dump that was cut off, or is none, ends in a count or an error.
func FuzzCountHLO(f *testing.F) {
	f.Add(module)
	f.Add(module[:len(module)/2])
	f.Add("ENTRY %a (x: f32[]) -> f32[] {\n  %b = (f32[ while(%b), body=%a\n}\n")
	f.Fuzz(func(t *testing.T, text string) { _, _ = CountHLO(strings.NewReader(text)) })
}

func TestReadKernels(t *testing.T) {
	const said = `==PROF== Connected
"ID","Process ID","Kernel Name","Metric Name","Metric Unit","Metric Value"
"0","7","loop_add_fusion_3","gpu__time_duration.sum","ns","1,000,000"
"1","7","loop_add_fusion_4(float*)","gpu__time_duration.sum","ns","500000"
"2","7","gemm","gpu__time_duration.sum","ns","3000000"
`
	list, total := readKernels(strings.NewReader(said))
	if total != 4.5 || len(list) != 2 || list[0] != (Operations{"gemm", 1, 3}) || list[1] != (Operations{"loop_add_fusion", 2, 1.5}) {
		t.Errorf("%v %v", list, total)
	}
	if _, total := readKernels(strings.NewReader("no table")); total != 0 {
		t.Error("kernels without a table")
	}
}

// A section that hangs is ended at its limit with what it started, one that fails is told, and the others run; what was said before the end counts.
func TestRunKeepsWhatIsKnown(t *testing.T) {
	scripts := map[string]string{
		"slow":  `echo 'ROW {"Section":"slow","Ours":2,"GFLOPs":4000}'; sleep 1000 & wait`,
		"wrong": "echo no device; exit 3",
		"good":  `echo 'ROW {"Section":"step/bf16/8","Batch":8,"Ours":0.5,"Eager":1,"GFLOPs":100}'`,
		"peak":  `echo 'ROW {"Section":"peak","PeakF32":150,"PeakBF16":400,"Device":"card","TF32":"off"}'`,
	}
	list := []Section{{Name: "slow", Limit: 2 * time.Second}, {Name: "wrong", Limit: time.Minute}, {Name: "good", Limit: time.Minute}, {Name: "peak", Limit: time.Minute}, {Name: "late", Limit: 5 * time.Hour}}
	var said bytes.Buffer
	rows, failed := Run(t.Context(), &said, list, time.Hour, func(ctx context.Context, s Section) *exec.Cmd {
		return exec.CommandContext(ctx, "sh", "-c", scripts[s.Name])
	})
	Table(&said, rows)
	if failed != 2 || len(rows) != 3 {
		t.Errorf("%d failed, rows %v", failed, rows)
	}
	for _, want := range []string{"slow: cut off at its limit of 2 s", "no device", "wrong: exit status 3", "late: left out", "2.00 x eager", "| step/bf16/8 | 16 | 500.00 | 1000.00 | – | 2.00 | – | 50 % |"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("%q is not said:\n%s", want, &said)
		}
	}
}

func TestChoose(t *testing.T) {
	for only, want := range map[string]string{"^step/bf16": "step/bf16/128", "": "parity", "^profile/": "profile/step"} {
		if s, err := Choose(Sections(), only); err != nil || s[0].Name != want {
			t.Errorf("%q: %v %v", only, s, err)
		}
	}
	for _, only := range []string{"nothing", "("} {
		if _, err := Choose(Sections(), only); err == nil {
			t.Errorf("%q chooses", only)
		}
	}
}

// Every flag that is tried is one that the pinned plugin knows: XLA ends a process for others.
func TestVariantsNameKnownFlags(t *testing.T) {
	known, err := os.ReadFile("testdata/xla_gpu_flags.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range Variants {
		for _, e := range v.Env {
			list, isFlags := strings.CutPrefix(e, "XLA_FLAGS=")
			for _, f := range strings.Fields(list) {
				name, _, _ := strings.Cut(strings.TrimPrefix(f, "--"), "=")
				if isFlags && !strings.Contains(string(known), name+"\n") {
					t.Errorf("%s: the plugin knows no %s", v.Name, name)
				}
			}
		}
	}
}
