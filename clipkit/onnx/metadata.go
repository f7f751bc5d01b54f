package onnx

import (
	"fmt"
	"strconv"
	"strings"

	onnxpb "github.com/gomlx/compute-onnx/support/protos"
)

// metadata says what a file is (ModelProto.metadata_props). The package comment lists the keys.
func (g *graph) metadata() (list []*onnxpb.StringStringEntryProto) {
	put := func(key, value string) {
		if value != "" {
			list = append(list, &onnxpb.StringStringEntryProto{Key: key, Value: value})
		}
	}
	o := g.options
	put("architecture", g.cfg.Name)
	put("tower", string(g.side))
	put("precision", string(o.Precision))
	if o.Precision == Int8 {
		bits := "8"
		if o.ReduceRange {
			bits = "7"
		}
		put("weight_bits", bits)
	}
	put("fingerprint", o.Fingerprint)
	put("embed_dim", strconv.Itoa(g.cfg.EmbedDim))
	put("normalized", strconv.FormatBool(o.Normalize))
	if g.side == Texts {
		length := o.Context
		if length == 0 {
			length = g.cfg.ContextLength
		}
		put("context_length", strconv.Itoa(length))
		return list
	}
	put("image_resolution", strconv.Itoa(g.cfg.ImageResolution))
	if o.Mean != o.Std { // else both are zero: not said
		put("image_mean", spaced(o.Mean))
		put("image_std", spaced(o.Std))
	}
	return list
}

func spaced(v [3]float32) string { return strings.Trim(fmt.Sprint(v), "[]") }
