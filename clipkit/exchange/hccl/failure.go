package hccl

// #include <stdlib.h>
// #include "hccl.h"
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"
)

// failed is a call of the vendor's libraries that did.
type failed struct {
	call, said string
	code       int
}

const timedOut = 9

// codes are HCCL's results (HcclResult) with what they mean and, where there is a usual reason, what to look at.
var codes = map[int]string{
	1:        "a wrong parameter; have all ranks the same CANN, and does each its own card?",
	2:        "an empty pointer",
	3:        "not enough memory; HCCL_BUFFSIZE makes its buffers smaller",
	4:        "an internal error",
	5:        "not supported on this card",
	6:        "a resource was not found",
	7:        "a resource is not available; npu-smi info tells whether another program uses the card",
	8:        "a system call failed",
	timedOut: "time ran out: another rank did not come; HCCL_CONNECT_TIMEOUT is how long ranks wait, HCCL_EXEC_TIMEOUT how long a sum may take",
	10:       "a file cannot be opened",
	11:       "the hosts do not reach each other; HCCL_IF_IP or HCCL_SOCKET_IFNAME names the interface",
	12:       "the cards of different hosts do not reach each other; hccn_tool -i 0 -net_health -g tests a card's network",
	13:       "the connection between hosts broke",
	14:       "the connection between cards broke",
	15:       "CANN's runtime failed",
	16:       "the driver failed; npu-smi info tells whether the card is healthy",
	17:       "profiling failed",
	18:       "a card's kernel failed",
	19:       "the network failed",
	20:       "try again",
	21:       "another rank's card failed",
	22:       "the communicator is being suspended",
	23:       "the operation cannot be repeated",
	24:       "the card's memory is full",
}

func (f failed) Error() string {
	meaning := "" // an aclrt call's codes are the runtime's, which explains them itself
	if strings.HasPrefix(f.call, "Hccl") {
		meaning = ": " + codes[f.code]
		if codes[f.code] == "" {
			meaning = ": a result that this program does not know"
		}
	}
	text := fmt.Sprintf("%s gives %d%s", f.call, f.code, meaning)
	if f.said != "" {
		text += " (" + f.said + ")"
	}
	return text
}

// waited tells whether a rank failed because another one did not come.
func waited(err error) bool {
	var f failed
	return errors.As(err, &f) && strings.HasPrefix(f.call, "Hccl") && f.code == timedOut
}

// failure is what a status says, and frees it.
func failure(s C.hccl_status) error {
	if s.call == nil {
		return nil
	}
	f := failed{call: C.GoString(s.call), code: int(s.code)}
	if s.said != nil {
		f.said = brief(C.GoString(s.said))
		C.free(unsafe.Pointer(s.said))
	}
	return f
}

// maxSaid bounds what is told of the runtime's message, which goes over many lines.
const maxSaid = 400

// brief is the runtime's message in one line, without the places in its sources.
func brief(said string) string {
	said, _, _ = strings.Cut(said, "TraceBack")
	said = strings.ToValidUTF8(strings.Join(strings.Fields(said), " "), "?")
	if len(said) > maxSaid {
		said = strings.ToValidUTF8(said[:maxSaid], "") + "…"
	}
	return said
}
