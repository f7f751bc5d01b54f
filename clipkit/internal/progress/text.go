package progress

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"
	"golang.org/x/text/width"
)

// bars are the widths of the bar that are tried, the widest first.
var bars = []int{16, 10, 5, 0}

// text is the line as it is now, as wide as it may be: first the bar gives way, then the end of what is being done.
func (l *Line) text() string {
	room := l.room()
	tail := ""
	for _, bar := range bars {
		tail = l.tail(bar)
		if columns(l.what+l.time()+tail) <= room {
			return l.what + l.time() + tail
		}
	}
	return cut(l.what, room-columns(l.time()+tail)) + l.time() + tail
}

// room is how many columns there are. The last one stays free: a terminal whose line is full goes on in the next, where \r does not come back from.
func (l *Line) room() int {
	n, _ := strconv.Atoi(os.Getenv("COLUMNS"))
	if f, ok := l.out.(interface{ Fd() uintptr }); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			n = w
		}
	}
	if n < 1 {
		n = 80
	}
	return max(20, n) - 1
}

// time is how long it still takes, or what it took.
func (l *Line) time() string {
	switch took := l.now().Sub(l.begun); {
	case l.of > 0 && l.done >= l.of && took >= time.Second:
		return ", in " + Duration(took)
	case l.left > 0:
		return ", " + Duration(l.left) + " left"
	}
	return ""
}

// tail is share, bar and count.
func (l *Line) tail(bar int) string {
	count := fmt.Sprint(l.done)
	switch {
	case l.bytes && l.of > 0:
		count = fmt.Sprintf("%s/%s MB", megabytes(l.done), megabytes(l.of))
	case l.bytes:
		count = megabytes(l.done) + " MB"
	case l.of > 0:
		count = fmt.Sprintf("%d/%d", l.done, l.of)
	}
	if took := l.now().Sub(l.begun).Seconds(); l.bytes && took > 0 {
		count += fmt.Sprintf(", %s MB/s", Rate(float64(l.done)/1e6/took))
	}
	if l.of == 0 {
		return " (" + count + ")"
	}
	share := min(1, float64(l.done)/float64(l.of))
	drawing := ""
	if full := int(share * float64(bar)); bar > 0 {
		drawing = "|" + strings.Repeat("█", full) + strings.Repeat(" ", bar-full) + "| "
	}
	return fmt.Sprintf(" %3d%% %s(%s)", int(100*share), drawing, count)
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f", float64(n)/1e6) }

// columns is how wide a text is in a terminal, where Chinese characters take two columns.
func columns(s string) (n int) {
	for _, r := range s {
		n++
		if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
			n++
		}
	}
	return n
}

// cut shortens a text to so many columns.
func cut(s string, room int) string {
	if columns(s) <= room {
		return s
	}
	n := 0
	for i, r := range s {
		if n += columns(string(r)); n >= room {
			return s[:i] + "…"
		}
	}
	return s
}

// Duration is as exact as a reader needs: "3d4h", "5h12m", "12m", "2m28s", "40s".
func Duration(d time.Duration) string {
	switch minutes := int(d.Round(time.Minute).Minutes()); {
	case d < 90*time.Second:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < 10*time.Minute-500*time.Millisecond:
		s := int(d.Round(time.Second).Seconds())
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case minutes < 60:
		return fmt.Sprintf("%dm", minutes)
	case minutes < 48*60:
		return fmt.Sprintf("%dh%02dm", minutes/60, minutes%60)
	default:
		return fmt.Sprintf("%dd%dh", minutes/60/24, minutes/60%24)
	}
}

// Rate has a digit where a number is small: "180", "3.2", "0.4", "0.042".
func Rate(x float64) string {
	switch {
	case x >= 10 || x <= 0:
		return fmt.Sprintf("%.0f", x)
	case x >= 0.1:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2g", x)
}
