package ort

// #include "ort.h"
import "C"

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Placement tells which providers run a graph's nodes.
type Placement struct {
	Graph     string
	Providers map[string]Share // by provider, "CANNExecutionProvider"; empty where ONNX Runtime is older than 1.24 and cannot tell
}

// Share is a provider's part of a graph. A provider that compiles takes a whole subgraph, the CPU provider each node by itself.
type Share struct {
	Subgraphs, Nodes int
	Operators        map[string]int // nodes of each kind
}

// Whole tells whether one provider took the graph in one piece. Of nodes that only copy or convert an input no account is taken.
func (p Placement) Whole(provider string) bool {
	return len(p.Providers) == 1 && p.Providers[provider].Subgraphs == 1
}

// String gives "encode: CANNExecutionProvider 812 nodes in 2 subgraphs, CPUExecutionProvider 2 nodes (Einsum ×2)".
func (p Placement) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(p.Providers)) {
		s := p.Providers[name]
		where := fmt.Sprintf(" in %d subgraphs", s.Subgraphs)
		switch {
		case name == "CPUExecutionProvider" && len(p.Providers) > 1:
			where = " (" + operators(s.Operators) + ")"
		case s.Subgraphs == 1:
			where = " in 1 subgraph"
		}
		parts = append(parts, fmt.Sprintf("%s %d nodes%s", name, s.Nodes, where))
	}
	if parts == nil {
		parts = []string{"unknown (ONNX Runtime older than 1.24)"}
	}
	return p.Graph + ": " + strings.Join(parts, ", ")
}

func operators(count map[string]int) string {
	var list []string
	for _, op := range slices.Sorted(maps.Keys(count)) {
		list = append(list, fmt.Sprintf("%s ×%d", op, count[op]))
	}
	return strings.Join(list, ", ")
}

func (p Placement) compare(q Placement) int { return cmp.Compare(p.String(), q.String()) }

// placement asks a session.
func placement(graph string, s *C.OrtSession) (Placement, error) {
	p := Placement{Graph: graph, Providers: map[string]Share{}}
	var lines *C.char
	if err := check("asking where nodes were placed", C.ort_placement(s, &lines)); err != nil || lines == nil {
		return p, err
	}
	for _, line := range strings.Split(strings.TrimSpace(take(lines)), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		share, ok := p.Providers[words[0]]
		if !ok {
			share.Operators = map[string]int{}
		}
		share.Subgraphs++
		share.Nodes += len(words) - 1
		for _, op := range words[1:] {
			share.Operators[op]++
		}
		p.Providers[words[0]] = share
	}
	return p, nil
}
