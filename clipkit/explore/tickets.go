package explore

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// tickets are for places that are kept, such as a notebook's output, where the token must not stand. Each opens the page once, and within minutes: for it
// one gets a session, which stands in paths as the token does and is known to one browser alone. A session is signed with the token: a page that takes
// another's place, with its token, knows it too.
type tickets struct {
	mu    sync.Mutex
	token string
	open  *lru.Cache[string, time.Time] // until when
}

const (
	ticketLife  = 10 * time.Minute
	keptTickets = 256
)

func newTickets(token string) *tickets {
	t := &tickets{token: token}
	t.open, _ = lru.New[string, time.Time](keptTickets)
	return t
}

// errTicket says that a ticket opens nothing any more: 401.
var errTicket = errors.New("this link has been used already, or is older than ten minutes; run the notebook's cell again for a new one")

func (t *tickets) issue() string {
	ticket := rand.Text()
	t.open.Add(ticket, time.Now().Add(ticketLife))
	return ticket
}

// redeem gives a session for a ticket, which ends it: the session that one has, or a new one. 128 random bits are not guessed by how long a look-up takes.
func (t *tickets) redeem(ticket, has string) (session string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	until, ok := t.open.Peek(ticket)
	t.open.Remove(ticket)
	if t.is(has) {
		return has, nil
	}
	if !ok || time.Now().After(until) {
		return "", errTicket
	}
	return t.sign(rand.Text()), nil
}

// sign makes a session of random letters.
func (t *tickets) sign(letters string) string {
	mac := hmac.New(sha256.New, []byte(t.token))
	mac.Write([]byte("session " + letters))
	return letters + hex.EncodeToString(mac.Sum(nil)[:16])
}

// is tells whether this is a session.
func (t *tickets) is(session string) bool {
	letters := len(session) - 32
	return t.token != "" && letters >= 26 && hmac.Equal([]byte(session), []byte(t.sign(session[:letters])))
}

// giveTicket is for whoever has the token.
func (h *Handler) giveTicket(r *http.Request) (any, error) {
	if !h.bearsToken(r) {
		return nil, errTicket
	}
	return map[string]string{"ticket": h.tickets.issue()}, nil
}

// takeTicket gives a script the session.
func (h *Handler) takeTicket(r *http.Request) (any, error) {
	var q struct {
		Ticket  string `json:"ticket"`
		Session string `json:"session"`
	}
	if err := ask(r, maxAsk, &q); err != nil {
		return nil, err
	}
	session, err := h.tickets.redeem(q.Ticket, q.Session)
	return map[string]string{"session": session}, err
}

// openByTicket leads a browser, which follows a link, to its session. A look ahead (HEAD) uses nothing up.
func (h *Handler) openByTicket(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	session, err := h.tickets.redeem(r.PathValue("ticket"), "")
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", "../"+session+"/") // http.Redirect would make it absolute, and lose a proxy's path
	w.WriteHeader(http.StatusSeeOther)
}
