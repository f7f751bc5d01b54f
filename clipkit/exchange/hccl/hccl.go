// Package hccl lets the Ascend cards of a run add up their gradients among themselves, over Huawei's HCCL: a card's memory is read and written where
// it is, and nothing passes through the host's. It is a world around another one, which starts it and goes on carrying what is small:
//
//	var w exchange.World                        // of the run's processes: MPI
//	dev, err := device.Open("npu:3")            // each rank its own card, in a process of its own
//	cards, err := hccl.Over(w, dev.Card())      // all ranks call it, after their device is open; nil = no cards are here
//	defer cards.Close()                         // w stays
//	err = cards.SumOnDevice(addresses, lengths) // of float32 tensors, in place (device.Address)
//	cards.Sum(x); cards.Gather(mine, all)       // as before: host memory, over w
//
// Package train does so by itself; package step asks its world for SumOnDevice and has the gradients added up with it. With CLIPKIT_HCCL=off on every
// rank they pass through the host's memory.
//
// # Starting
//
// Rank 0 asks HCCL for 4108 bytes that say where it can be met, w shares them, and all ranks join. No header and no library are needed to build:
// libhccl.so and libascendcl.so are opened at run time. They come with the CANN toolkit (kernels/npu/README.md); its set_env.sh, or
// kernels/npu/env.sh, says where. If one rank cannot join, every rank gets that rank's reason as its error.
//
// HCCL's own settings are its environment variables, on every rank: HCCL_CONNECT_TIMEOUT, the seconds that ranks wait for each other when they join
// (120), HCCL_EXEC_TIMEOUT, those that a sum may take; over several hosts HCCL_IF_IP or HCCL_SOCKET_IFNAME, the address or the
// interface by which hosts meet, and an address for each card (hccn_tool). Over sets HCCL_DETERMINISTIC=true unless it is set: with it a sum of the same
// numbers gives the same bits in every run, which exact resume is about.
//
// # When something goes wrong
//
// Errors wrap exchange.ErrWorld and are one line: the vendor's call, its code with what it means and what to look at, and what the runtime said. A rank
// whose sum failed, or that ended, leaves the others waiting inside the card until HCCL_EXEC_TIMEOUT; the world around which this one is made
// ends them at once when the failing rank calls Abort or dies.
//
// # Verified
//
// There was no Ascend card. Tests run all of this over a SIMULATED libascendcl and libhccl (package npusim): sums of tensors in memory that the
// host must not touch, between threads and between processes, and what each failing call comes to. Not verified: that a real libhccl takes
// these calls so, its messages, speed, several hosts, and that every kind of card gives all ranks the same bits.
package hccl

// #cgo LDFLAGS: -ldl -lpthread
// #include <stdlib.h>
// #include "hccl.h"
import "C"

import (
	"fmt"
	"os"
	"strings"
	"unsafe"

	"clipnb/clipkit/device/ascend"
	"clipnb/clipkit/exchange"
)

// World is a world whose ranks have a card each. Its methods are called as those of every exchange.World.
type World struct {
	exchange.World
	rank *C.hccl_rank // in C memory
}

var _ exchange.World = (*World)(nil)

// variable is the environment's that leaves cards alone.
const variable = "CLIPKIT_HCCL"

// Over makes w's ranks, each with its open card of this index, a world that can add up on the cards. It is nil where w has one rank, where no rank
// has a card (-1), and where all are told to leave them alone.
func Over(w exchange.World, card int) (*World, error) {
	if w.Size() == 1 {
		return nil, nil
	}
	how := []byte{'C'}
	switch setting := os.Getenv(variable); {
	case setting == "off":
		how[0] = 'O'
	case setting != "":
		how[0] = '?'
	case card < 0:
		how[0] = '-'
	}
	all, err := exchange.Gather(w, how)
	if err != nil {
		return nil, err
	}
	for r, theirs := range all {
		if theirs == '?' {
			return nil, fmt.Errorf("%w: hccl: rank %d %s; want off, or nothing", exchange.ErrWorld, r, words[theirs])
		}
		if (theirs == 'C') != (all[0] == 'C') {
			return nil, fmt.Errorf("%w: hccl: rank 0 %s, rank %d %s; all ranks have to add up in one way", exchange.ErrWorld, words[all[0]], r, words[theirs])
		}
	}
	if how[0] != 'C' {
		return nil, nil
	}
	return join(w, card, "libascendcl.so", "libhccl.so")
}

var words = map[byte]string{'C': "has an Ascend card", 'O': "has " + variable + "=off", '?': "has another " + variable, '-': "has no Ascend card"}

func join(w exchange.World, card int, acl, library string) (*World, error) {
	if err := apart(w, card); err != nil {
		return nil, err
	}
	j := &World{World: w, rank: (*C.hccl_rank)(C.calloc(1, C.size_t(unsafe.Sizeof(C.hccl_rank{}))))}
	j.rank.device = C.int(card)
	info := make([]byte, C.hccl_root_bytes)
	err := agree(w, j.open(acl, library, info))
	if err == nil {
		err = w.Share(info, 0)
	}
	if err == nil {
		err = agree(w, failure(C.hccl_init(j.rank, C.uint32_t(w.Size()), unsafe.Pointer(&info[0]), C.uint32_t(w.Rank()))))
	}
	if err != nil {
		_ = j.Close()
		return nil, err
	}
	return j, nil
}

// open does what a rank does by itself; on rank 0 it fills info.
func (w *World) open(acl, library string, info []byte) error {
	if os.Getenv("HCCL_DETERMINISTIC") == "" {
		os.Setenv("HCCL_DETERMINISTIC", "true") // read when the library is loaded
	}
	a, h := C.CString(acl), C.CString(library)
	defer C.free(unsafe.Pointer(a))
	defer C.free(unsafe.Pointer(h))
	if e := C.hccl_load(a, h); e != nil {
		defer C.free(unsafe.Pointer(e))
		return fmt.Errorf("CANN's libraries cannot be used (%s); %s", C.GoString(e), toolkit(ascend.Look(ascend.Here)))
	}
	if err := failure(C.hccl_open(w.rank)); err != nil || w.Rank() != 0 {
		return err
	}
	return failure(C.hccl_root(w.rank, unsafe.Pointer(&info[0])))
}

// toolkit is what to do about libraries that are not found.
func toolkit(found ascend.Installation) string {
	for _, p := range found.Problems() {
		if strings.Contains(p.What, "toolkit") {
			return p.String()
		}
	}
	return "they are to come from the toolkit, by LD_LIBRARY_PATH; run: source " + found.SetEnv
}

// apart tells whether ranks on one host have cards of their own: HCCL says of that only that an internal error occurred.
func apart(w exchange.World, card int) error {
	host, _ := os.Hostname() // "" is as good as any
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	mine := make([]byte, 512)
	copy(mine, fmt.Sprintf("%d %q %s%s", card, os.Getenv("ASCEND_RT_VISIBLE_DEVICES"), boot, host)) // the variable renumbers cards
	all, err := exchange.Gather(w, mine)
	if err != nil {
		return err
	}
	first := map[string]int{}
	for r := range w.Size() {
		place := string(all[r*len(mine) : (r+1)*len(mine)])
		if other, taken := first[place]; taken {
			return fmt.Errorf("%w: hccl: ranks %d and %d have the same card %s of one host; give each rank its own: npu:0, npu:1, …", exchange.ErrWorld, other, r, strings.Fields(place)[0])
		}
		first[place] = r
	}
	return nil
}

// agree has all ranks go on, or none: every rank's error is then that of the first one that failed by itself, not by waiting for another.
func agree(w exchange.World, mine error) error {
	text := make([]byte, 1024) // how it failed, and the message
	if mine != nil {
		text[0] = 'F'
		if waited(mine) {
			text[0] = 'W'
		}
		copy(text[1:], mine.Error())
	}
	all, err := exchange.Gather(w, text)
	if err != nil {
		return err
	}
	for _, how := range []byte{'F', 'W'} {
		for r := range w.Size() {
			if theirs := all[r*len(text) : (r+1)*len(text)]; theirs[0] == how {
				return fmt.Errorf("%w: hccl: rank %d cannot join: %s", exchange.ErrWorld, r, strings.ToValidUTF8(strings.TrimRight(string(theirs[1:]), "\x00"), ""))
			}
		}
	}
	return nil
}

// SumOnDevice adds float32 tensors up over all ranks, in place: each is at an address in the memory of this rank's card and has so many values. It
// returns when they are added up. The caller keeps the memory alive and unused meanwhile.
func (w *World) SumOnDevice(addresses []uintptr, lengths []int) error {
	if len(addresses) != len(lengths) {
		return fmt.Errorf("%w: hccl: %d addresses and %d lengths", exchange.ErrWorld, len(addresses), len(lengths))
	}
	at, n := make([]C.uintptr_t, 0, len(addresses)), make([]C.uint64_t, 0, len(addresses))
	for i, address := range addresses {
		if lengths[i] < 0 || address == 0 && lengths[i] > 0 {
			return fmt.Errorf("%w: hccl: tensor %d has %d values at address %#x", exchange.ErrWorld, i, lengths[i], address)
		}
		if lengths[i] > 0 {
			at, n = append(at, C.uintptr_t(address)), append(n, C.uint64_t(lengths[i]))
		}
	}
	if len(at) == 0 {
		return nil
	}
	if w.rank == nil {
		return fmt.Errorf("%w: hccl: summing after Close", exchange.ErrWorld)
	}
	s := C.hccl_sum(w.rank, &at[0], &n[0], C.size_t(len(at)))
	what := fmt.Sprintf("%d tensors", len(at))
	if i := int(s.at); i < len(at) {
		what = fmt.Sprintf("tensor %d of %d (%d values)", i+1, len(at), n[i])
	}
	if err := failure(s); err != nil {
		return fmt.Errorf("%w: hccl: rank %d, summing %s on card %d: %w", exchange.ErrWorld, w.Rank(), what, w.rank.device, err)
	}
	return nil
}

// Close leaves the cards' world. The one around which it was made stays.
func (w *World) Close() error {
	if w.rank == nil {
		return nil
	}
	defer func() {
		C.free(unsafe.Pointer(w.rank))
		w.rank = nil
	}()
	if w.rank.comm == nil && w.rank.stream == nil { // perhaps there is no library
		return nil
	}
	if err := failure(C.hccl_close(w.rank)); err != nil {
		return fmt.Errorf("%w: hccl: rank %d, leaving: %w", exchange.ErrWorld, w.Rank(), err)
	}
	return nil
}
