// Package download fetches a file from one of several servers, so that it is whole or absent:
//
//	err := download.Fetch(ctx, download.File{URLs: []string{download.Hub(os.Getenv) + "/…", "https://…"}, Path: "pretrained_weights/x.pt"})
//
// A download that was interrupted, in this process or an earlier one, continues where it stopped. The file appears under its name only when
// it is whole and its size and SHA-256 are those that are known or that the server states. Two processes that want the same file fetch it once.
// Only https is spoken (http to this machine, for tests and tunnels), redirects included; proxies are those of the environment.
//
// ErrFailed is wrapped with what every server answered, ErrOffline where downloading is forbidden.
package download

import "strings"

// Hub is the address of HF's hub: CLIPKIT_MIRROR, or HF_ENDPOINT if that is not set, replaces it, by an address inside a company, for example, or a
// public mirror.
func Hub(getenv func(string) string) string {
	host := "https://huggingface.co"
	for _, key := range []string{"HF_ENDPOINT", "CLIPKIT_MIRROR"} {
		if v := getenv(key); v != "" {
			host = strings.TrimRight(v, "/")
		}
	}
	return host
}

// Offline tells whether CLIPKIT_OFFLINE=1 or HF_HUB_OFFLINE=1 forbids downloading. Switches are read as HF's tools do.
func Offline(getenv func(string) string) bool {
	for _, key := range []string{"CLIPKIT_OFFLINE", "HF_HUB_OFFLINE"} {
		switch strings.ToUpper(getenv(key)) {
		case "1", "ON", "YES", "TRUE":
			return true
		}
	}
	return false
}
