package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/dataset/randperm"
)

// TestOrderIsTheReferenceSampler compares with PyTorch's DistributedSampler.
func TestOrderIsTheReferenceSampler(t *testing.T) {
	data, err := os.ReadFile("testdata/sampler.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Seed            uint64
		N, Epoch, World int
		Indices         [][]int // by rank
		First20         []int
		SHA256          string `json:"sha256_of_json"`
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	sharded, hashed := 0, 0
	for _, c := range cases {
		if c.SHA256 != "" {
			got := Order(c.Seed, c.Epoch, c.N, 1, 1, 0)
			sum := sha256.Sum256([]byte(strings.ReplaceAll(strings.ReplaceAll(fmt.Sprint(got), " ", ", "), "\n", "")))
			if !slices.Equal(got[:20], c.First20) || hex.EncodeToString(sum[:]) != c.SHA256 {
				t.Errorf("seed %d n %d epoch %d: starts %v, want %v", c.Seed, c.N, c.Epoch, got[:20], c.First20)
			}
			hashed++
			continue
		}
		if c.N%c.World != 0 {
			continue // the sampler's own padding, which the reference never reaches because the data set is padded before it
		}
		for rank, want := range c.Indices {
			if got := Order(c.Seed, c.Epoch, c.N, 1, c.World, rank); !slices.Equal(got, want) {
				t.Errorf("seed %d n %d epoch %d world %d rank %d:\n got %v\nwant %v", c.Seed, c.N, c.Epoch, c.World, rank, got, want)
			}
			sharded++
		}
	}
	if sharded < 20 || hashed < 4 {
		t.Errorf("only %d shards and %d hashes were compared", sharded, hashed)
	}
}

// TestOrderPadsToTheGlobalBatch has MUGE's 250,314 pairs, as the reference's logs show them padded.
// fault 20
func TestOrderPadsToTheGlobalBatch(t *testing.T) {
	for _, c := range []struct{ batch, world, want int }{{1024, 1, 250_880}, {128, 8, 250_880}, {48, 1, 250_320}} {
		if got := len(Order(123, 0, 250_314, c.batch, c.world, 0)) * c.world; got != c.want {
			t.Errorf("%d × %d: padded to %d, want %d", c.batch, c.world, got, c.want)
		}
	}
	counts := make([]int, 10)
	for _, i := range Order(123, 0, 10, 4, 1, 0) {
		counts[i]++
	}
	if !slices.Equal(counts, []int{2, 2, 1, 1, 1, 1, 1, 1, 1, 1}) {
		t.Errorf("pairs are read %v times, want the first two twice", counts)
	}
}

func TestOrderOfManyProcessesIsThatOfOne(t *testing.T) {
	one := Order(7, 3, 50, 12, 1, 0)
	for world := 2; world <= 4; world++ {
		batch := 12 / world
		for k := range len(one) / 12 {
			var step []int
			for rank := range world {
				step = append(step, Order(7, 3, 50, batch, world, rank)[k*batch:(k+1)*batch]...)
			}
			want := slices.Clone(one[k*12 : (k+1)*12])
			slices.Sort(step)
			if slices.Sort(want); !slices.Equal(step, want) {
				t.Errorf("world %d step %d: pairs %v, want %v", world, k, step, want)
			}
		}
	}
}

// fault 20
func TestOrderOfNothing(t *testing.T) {
	for _, c := range [][4]int{{0, 1, 1, 0}, {5, 0, 1, 0}, {5, 1, 0, 0}, {5, 1, 2, 2}, {5, 1, 1, -1}} {
		if got := Order(1, 0, c[0], c[1], c[2], c[3]); got != nil {
			t.Errorf("%v: %v, want nil", c, got)
		}
	}
	if got := randperm.Of(1, -1); len(got) != 0 {
		t.Errorf("permutation of -1: %v", got)
	}
}
