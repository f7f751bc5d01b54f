package explore

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// metricSet is what /metrics tells.
type metricSet struct{ set *metrics.Set }

func newMetrics() *metricSet { return &metricSet{metrics.NewSet()} }

// answered counts an answer by what was asked; addresses that do not exist count as one.
func (m *metricSet) answered(r *http.Request, status int, took time.Duration) {
	_, path, _ := strings.Cut(r.Pattern, " ")
	if path == "" {
		path = "other"
	}
	m.set.GetOrCreateCounter(fmt.Sprintf(`clipkit_requests_total{path=%q,status="%d"}`, path, status)).Inc()
	m.set.GetOrCreateSummary(fmt.Sprintf(`clipkit_request_seconds{path=%q}`, path)).Update(took.Seconds())
}

// encoded counts samples that a model has encoded in one batch.
func (m *metricSet) encoded(model int, kind string, n int, took time.Duration) {
	m.set.GetOrCreateCounter(fmt.Sprintf(`clipkit_encoded_total{model="%d",kind=%q}`, model, kind)).Add(n)
	m.set.GetOrCreateSummary(fmt.Sprintf(`clipkit_encode_seconds{model="%d",kind=%q}`, model, kind)).Update(took.Seconds())
}

func (m *metricSet) searched(took time.Duration) {
	m.set.GetOrCreateSummary("clipkit_search_seconds").Update(took.Seconds())
}

func (m *metricSet) watchQueue(model int, length func() float64) {
	m.set.NewGauge(fmt.Sprintf(`clipkit_queue{model="%d"}`, model), length)
}

func (m *metricSet) write(w io.Writer) {
	m.set.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
}
