// Package modeltest has the tiny models of the fixtures, for tests of what stands on package model.
package modeltest

import (
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/weights"
)

// Tiny is the tiny "vit" or "rn" of the fixtures, or the end-to-end run's "e2e", with its first weights, on an engine such as "cpu:go"; "" is the one that
// CLIPKIT_DEVICE names.
func Tiny(t testing.TB, engine, kind string) *model.Model {
	t.Helper()
	m := New(t, engine, golden.Config(t, kind))
	Load(t, m, kind+"/init.pt")
	return m
}

// New is a model without weights.
func New(t testing.TB, engine string, cfg arch.Config) *model.Model {
	t.Helper()
	dev, err := device.Open(engine)
	if err != nil {
		t.Fatal(err)
	}
	t.Attr("engine", dev.String())
	m, err := model.New(cfg, dev)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(); dev.Close() })
	return m
}

// Load gives a model the weights of a file of the fixtures.
func Load(t testing.TB, m *model.Model, file string) {
	t.Helper()
	if err := weights.Load(m, m.Config, golden.Open(t, file)); err != nil {
		t.Fatal(err)
	}
}

// Values are those of one tensor.
func Values(t testing.TB, m *model.Model, name string) []float32 {
	t.Helper()
	_, v, err := m.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// AllValues are those of all tensors, one after the other.
func AllValues(t testing.TB, m *model.Model) (all []float32) {
	t.Helper()
	for _, x := range m.Config.Tensors() {
		all = append(all, Values(t, m, x.Name)...)
	}
	return all
}

// SetScalar gives a tensor of one value another.
func SetScalar(t testing.TB, m *model.Model, name string, value float32) {
	t.Helper()
	if err := m.Set(name, nil, []float32{value}); err != nil {
		t.Fatal(err)
	}
}
