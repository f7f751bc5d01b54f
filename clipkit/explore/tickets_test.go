package explore

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const testToken = "0123456789abcdefXYZ_-"

// bare is a handler without models, for what is asked before any.
func bare(token string) *Handler {
	h := &Handler{token: token, tickets: newTickets(token), metrics: newMetrics()}
	h.handler = h.guard(h.routes())
	return h
}

func asked(h *Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A framing page must be of the same origin, not any port of this machine.
// fault 19.12
func TestFramingPageIsOfTheSameOrigin(t *testing.T) {
	for _, token := range []string{"", testToken} {
		for _, path := range []string{"/", "/api/info/", "/thumb/x/192/1", "/open/x", "/nothing"} {
			head := asked(bare(token), "GET", path, "").Header()
			if _, ancestors, _ := strings.Cut(head.Get("Content-Security-Policy"), "frame-ancestors "); ancestors != "'self'" || head.Get("X-Frame-Options") != "SAMEORIGIN" {
				t.Errorf("%s: frame-ancestors %s, X-Frame-Options %s", path, ancestors, head.Get("X-Frame-Options"))
			}
		}
	}
}

// What a notebook's output keeps is a ticket, which opens the page once; the session that one gets for it is known to nobody else.
// fault 19.12
func TestTicketOpensOnce(t *testing.T) {
	h := bare(testToken)
	issue := func() string {
		t.Helper()
		w := asked(h, "POST", "/api/ticket", "{}", "Authorization", "Bearer "+testToken)
		var got struct{ Ticket string }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || len(got.Ticket) < 26 || strings.Contains(w.Body.String(), testToken) {
			t.Fatalf("%d %s %v", w.Code, w.Body, err)
		}
		return got.Ticket
	}
	redeem := func(ticket, has string) (session string, status int) {
		t.Helper()
		b, _ := json.Marshal(map[string]string{"ticket": ticket, "session": has})
		w := asked(h, "POST", "/ticket", string(b))
		var got struct{ Session string }
		_ = json.Unmarshal(w.Body.Bytes(), &got)
		return got.Session, w.Code
	}
	first := issue()
	session, status := redeem(first, "")
	if status != 200 || session == "" || strings.Contains(session, first) || strings.Contains(session, testToken) {
		t.Fatalf("a ticket: status %d, %q", status, session)
	}
	// A page that takes this one's place has its token and goes on with its sessions; one with another token does not.
	for other, want := range map[*Handler]int{h: 200, bare(testToken): 200, bare(testToken + "x"): 401} {
		if w := asked(other, "GET", "/"+session+"/main.js", ""); w.Code != want {
			t.Errorf("the session at the page with the token %s: status %d, want %d", other.token, w.Code, want)
		}
	}
	for _, forged := range []string{session[:len(session)-1] + "x", session[1:], "x" + session, strings.Repeat("0", 58), ""} {
		if w := asked(h, "GET", "/"+forged+"/main.js", ""); w.Code != 401 {
			t.Errorf("the session %q: status %d", forged, w.Code)
		}
	}
	second := issue() // a browser that has a session gives the ticket away all the same
	if again, status := redeem(second, session); status != 200 || again != session {
		t.Errorf("with a session: status %d, %q", status, again)
	}
	old := issue()
	h.tickets.open.Add(old, time.Now().Add(-time.Second))
	for name, c := range map[string][2]string{"used": {first, ""}, "used beside a session": {second, ""}, "too old": {old, ""}, "the token": {testToken, ""}, "a session": {session, ""}, "nothing": {"", ""}, "another's": {second, "x"}} {
		if _, status := redeem(c[0], c[1]); status != 401 {
			t.Errorf("%s: status %d", name, status)
		}
	}
	if w := asked(h, "POST", "/"+session+"/api/ticket", "{}"); w.Code != 401 {
		t.Errorf("a session asks for tickets: status %d", w.Code)
	}
	if w := asked(h, "POST", "/ticket", `{"ticket": "`+issue()+`"}`, "Sec-Fetch-Site", "cross-site"); w.Code != 403 {
		t.Errorf("another page gives a ticket: status %d", w.Code)
	}
	link := "/open/" + issue()
	if w := asked(h, "HEAD", link, ""); w.Code != http.StatusNoContent {
		t.Errorf("a look ahead: %d", w.Code)
	}
	w := asked(h, "GET", link, "")
	where, ok := strings.CutPrefix(w.Header().Get("Location"), "../")
	if w.Code != http.StatusSeeOther || !ok || asked(h, "GET", "/"+where+"main.js", "").Code != 200 {
		t.Errorf("following the link: %d %v", w.Code, w.Header())
	}
	if w := asked(h, "GET", link, ""); w.Code != 401 {
		t.Errorf("following it again: status %d", w.Code)
	}
	if w := asked(bare(""), "POST", "/api/ticket", "{}", "Authorization", "Bearer "); w.Code != 401 {
		t.Errorf("a page without a token gives tickets: status %d", w.Code)
	}
}
