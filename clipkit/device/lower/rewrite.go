package lower

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	onnxpb "github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/proto"
)

// ErrNotTaken is wrapped for a graph with an operation that the NPU provider would leave to the processor.
var ErrNotTaken = errors.New("not taken by the NPU")

// ErrModel is wrapped for bytes that are no model of compute-onnx.
var ErrModel = errors.New("not an ONNX model")

// maxModel bounds a serialized model, and its parser's memory. Weights are inputs of clipkit's graphs: the largest are a few MB.
const maxModel = 256 << 20

// Taken are the operations that the CANN provider of onnxruntime-cann 1.24.4 takes into its subgraphs (enable_cann_subgraph=1): the list in
// its binary. Those that clipkit emits were each tried with that provider, without a card. ScatterND is taken without a reduction only.
var Taken = set(`Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization BitShift Cast Ceil Celu Clip Compress
	Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum DepthToSpace Det Div Dropout Elu Equal Erf Exp Expand EyeLike Flatten Floor
	Gather GatherElements GatherND Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual Hardmax HardSigmoid HardSwish Identity
	InstanceNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization LpPool LRN LSTM MatMul Max MaxPool MaxRoiPool MaxUnpool Mean
	MeanVarianceNormalization Min Mod Mul Multinomial Neg NonMaxSuppression NonZero Not OneHot Or Pad Pow PRelu RandomNormalLike RandomUniform
	RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
	ReduceSumSquare Relu Reshape Resize ReverseSequence RoiAlign Round Scatter ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh
	Size Slice Softmax SoftmaxCrossEntropyLoss Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh TfIdfVectorizer ThresholdedRelu
	Tile TopK Transpose Unsqueeze Where Xor`)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// Vendors document older versions of ONNX than the one that compute-onnx writes, 21. What it emits means the same in these.
const (
	opset     = 18
	irVersion = 8
)

// Rewrite is for the moment before a session is made of a serialized model: it refuses one that the provider would not take whole, with an error
// that names the operations, and gives the others the version of ONNX that the vendor's compiler reads.
func Rewrite(model []byte) ([]byte, error) {
	if len(model) > maxModel {
		return nil, fmt.Errorf("preparing a graph for the NPU: it has %d bytes, more than %d; weights belong to its inputs", len(model), maxModel)
	}
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(model, &m); err != nil {
		return nil, fmt.Errorf("preparing a graph for the NPU: %w: %w", ErrModel, err)
	}
	if m.Graph == nil || len(m.Graph.Node) == 0 {
		return nil, fmt.Errorf("preparing a graph for the NPU: %w: it has no operations", ErrModel)
	}
	if other := leftOver(&m); len(other) > 0 {
		return nil, fmt.Errorf("preparing a graph for the NPU: %w: %s; build it on a backend from lower.Wrap, from operations of lower.Taken",
			ErrNotTaken, strings.Join(other, ", "))
	}
	known := false
	for _, o := range m.OpsetImport {
		if o.GetDomain() == "" {
			known, o.Version = true, min(o.Version, opset)
		}
	}
	if !known {
		return nil, fmt.Errorf("preparing a graph for the NPU: %w: it does not say its version", ErrModel)
	}
	m.IrVersion = min(m.IrVersion, irVersion)
	out, err := proto.Marshal(&m)
	if err != nil {
		return nil, fmt.Errorf("preparing a graph for the NPU: %w", err)
	}
	return out, nil
}

// leftOver counts the operations of a model that are not taken: "Einsum abc,acd->abd ×2".
func leftOver(m *onnxpb.ModelProto) (list []string) {
	count := map[string]int{}
	for _, n := range m.Graph.Node {
		if name := n.GetOpType(); n.GetDomain() != "" && n.GetDomain() != "ai.onnx" {
			count[n.GetDomain()+"."+name]++
		} else if !Taken[name] || name == "ScatterND" && detail(n) != "" {
			count[strings.TrimSpace(name+" "+detail(n))]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(count)) {
		list = append(list, fmt.Sprintf("%s ×%d", name, count[name]))
	}
	return list
}

// detail is what an Einsum computes, or how a ScatterND reduces.
func detail(n *onnxpb.NodeProto) string {
	for _, a := range n.Attribute {
		if a.GetName() == "equation" || a.GetName() == "reduction" && string(a.S) != "none" {
			return a.GetName() + "=" + string(a.S)
		}
	}
	return ""
}
