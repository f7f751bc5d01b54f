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
type Share struct{ Subgraphs, Nodes int }

// Whole tells whether one provider took the graph in one piece. Of nodes that only copy or convert an input no account is taken.
func (p Placement) Whole(provider string) bool {
	return len(p.Providers) == 1 && p.Providers[provider].Subgraphs == 1
}

// String gives "encode: OpenVINOExecutionProvider 812 nodes in 1 subgraph, CPUExecutionProvider 2 nodes in 2 subgraphs".
func (p Placement) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(p.Providers)) {
		s := p.Providers[name]
		plural := "s"
		if s.Subgraphs == 1 {
			plural = ""
		}
		parts = append(parts, fmt.Sprintf("%s %d nodes in %d subgraph%s", name, s.Nodes, s.Subgraphs, plural))
	}
	if parts == nil {
		parts = []string{"unknown (ONNX Runtime older than 1.24)"}
	}
	return p.Graph + ": " + strings.Join(parts, ", ")
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
		var name string
		var nodes int
		if _, err := fmt.Sscan(line, &name, &nodes); err == nil {
			share := p.Providers[name]
			p.Providers[name] = Share{share.Subgraphs + 1, share.Nodes + nodes}
		}
	}
	return p, nil
}
