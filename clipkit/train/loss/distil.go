package loss

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// cosineFloor keeps PyTorch's cosine finite for a vector of zeros.
const cosineFloor = 1e-8

// Distillation is how far a student's image features are from a teacher's for the same pictures: 1 − the mean cosine of the rows
// (cn_clip/training/train.py:406). teacher [B,T] carries no gradient, student is [B,D]; where D and T differ, the student's features are stretched or shrunk
// along their axis by linear interpolation, as the reference does.
func Distillation(teacher, student *Node) *Node {
	batch, width := teacher.Shape().Dim(0), teacher.Shape().Dim(1)
	student.AssertDims(batch, -1)
	teacher = StopGradient(teacher)
	if d := student.Shape().Dim(1); d != width {
		resize := Const(student.Graph(), interpolation(d, width))
		student = Dot(student, resize).General([]int{1}, nil, []int{0}, nil)
	}
	norm := func(x *Node) *Node { return MaxScalar(Sqrt(ReduceSum(Square(x), -1)), cosineFloor) }
	cosine := Div(ReduceSum(Mul(teacher, student), -1), Mul(norm(teacher), norm(student)))
	return OneMinus(ReduceAllMean(cosine))
}

// interpolation is the matrix [from][to] of a linear resize whose cells, not whose ends, are aligned (align_corners false, no antialias).
func interpolation(from, to int) [][]float32 {
	m := make([][]float32, from)
	for i := range m {
		m[i] = make([]float32, to)
	}
	scale := float32(from) / float32(to) // in float32, as PyTorch
	for j := range to {
		at := max(0, scale*(float32(j)+0.5)-0.5)
		low := min(int(math.Floor(float64(at))), from-1)
		high := min(low+1, from-1)
		share := at - float32(low)
		m[low][j] += 1 - share
		m[high][j] += share
	}
	return m
}
