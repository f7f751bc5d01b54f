package page

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"html"
	"net/http"
	"strings"
)

//go:embed frame.js
var frameJS string

// Frame is HTML that shows the page in a notebook's output. Where no Jupyter is around it, as in an exported notebook, only the words are there, and
// nothing is asked of any host. What opens the page is a ticket: it is good for one browser, and once, so that whoever gets the notebook's file has
// nothing. That browser keeps what it got for it, and shows the page again after a reload.
func (p *Page) Frame(ctx context.Context, height int) (string, error) {
	ticket, err := p.ticket(ctx)
	if err != nil {
		return "", fmt.Errorf("showing the page: %w", err)
	}
	return p.frame(ticket, height), nil
}

func (p *Page) frame(ticket string, height int) string {
	which := fmt.Sprintf("%.8x", sha256.Sum256([]byte(p.state.Token))) // names the page, and opens nothing
	id := "clipkit-page-" + ticket[:8]
	script := strings.NewReplacer("$ID", id, "$PORT", fmt.Sprint(p.state.Port), "$TICKET", ticket, "$PAGE", which, "$HEIGHT", fmt.Sprint(height)).Replace(frameJS)
	return fmt.Sprintf(`<div id="%s"><p>搜索页运行的时候显示在这里 · The retrieval page is shown here while it runs: <a href="%s" target="_blank" rel="noopener noreferrer">%[2]s</a></p></div>
<script>%[3]s</script>`, id, html.EscapeString(p.link(ticket)), script)
}

// ticket asks the page for one.
func (p *Page) ticket(ctx context.Context) (string, error) {
	var got struct{ Ticket string }
	if err := p.ask(ctx, http.MethodPost, "api/ticket", struct{}{}, &got); err != nil {
		return "", err
	}
	if len(got.Ticket) < 16 {
		return "", fmt.Errorf("the page gives the ticket %q", got.Ticket)
	}
	return got.Ticket, nil
}

func (p *Page) link(ticket string) string {
	return fmt.Sprintf("http://127.0.0.1:%d/open/%s", p.state.Port, ticket)
}
