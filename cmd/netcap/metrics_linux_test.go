package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// get asks a capture on the host over HTTP.
func (h *host) get(network, address, url string) (status int, body string) {
	h.t.Helper()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (c net.Conn, err error) {
			h.net.Do(func() { c, err = (&net.Dialer{}).DialContext(ctx, network, address) })
			return c, err
		},
	}}
	answer, err := client.Get("http://netcap" + url)
	require.NoError(h.t, err)
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	require.NoError(h.t, err)
	return answer.StatusCode, string(b)
}

// Metrics are what Prometheus's own parser takes, and say what netcap status does.
// Nothing but them is on TCP.
func TestMetrics(t *testing.T) {
	h := newOperated(t)
	h.net.SetUp(t, "lo")
	h.does("start", "-i", "c0", "--keep-free", "1", "--metrics", "127.0.0.1:9104", "udp")
	h.peer.Flood(t, "g0", 128, 100)
	h.awaitWritten("c0", 100)
	_, text := h.get("tcp", "127.0.0.1:9104", "/metrics")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	require.NoError(t, err)
	value := func(name string) float64 {
		require.Contains(t, families, name)
		m := families[name].GetMetric()[0]
		if c := m.GetCounter(); c != nil {
			return c.GetValue()
		}
		return m.GetGauge().GetValue()
	}
	s := h.statusOf("c0")
	assert.EqualValues(t, 100, value("netcap_packets_written_total"))
	assert.EqualValues(t, s.Packets.Received, value("netcap_packets_received_total"))
	assert.EqualValues(t, s.BudgetBytes, value("netcap_budget_bytes"))
	assert.EqualValues(t, 1, value("netcap_interface_up"))
	assert.Len(t, families["netcap_packets_dropped_total"].GetMetric(), 2)
	for name := range metricTexts {
		assert.Contains(t, families, name)
	}
	for _, url := range []string{"/", "/status", "/holds", "/debug/pprof/"} {
		status, _ := h.get("tcp", "127.0.0.1:9104", url)
		assert.Equal(t, http.StatusNotFound, status, url)
	}
	status, over := h.get("unix", h.run+"/netcap/c0.sock", "/metrics")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, over, "netcap_packets_written_total 100\n")

	code, _, stderr := h.netcap("start", "-i", "c0", "--name", "b", "--metrics", "127.0.0.1:9104")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, stderr, "netcap: --metrics 127.0.0.1:9104: listen tcp 127.0.0.1:9104: bind: address already in use")
	h.does("stop")
}

// The control socket makes holds, lists them and releases them.
func TestControlHolds(t *testing.T) {
	h := newOperated(t)
	h.does("start", "-i", "c0", "--keep-free", "1")
	curl := func(method, url, body string) (int, string) {
		client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", h.run+"/netcap/c0.sock")
		}}}
		r, err := http.NewRequest(method, "http://netcap"+url, strings.NewReader(body))
		require.NoError(t, err)
		answer, err := client.Do(r)
		require.NoError(t, err)
		defer answer.Body.Close()
		b, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(b)
	}
	status, body := curl("POST", "/holds", `{"from":"2026-11-24T10:00:00Z","to":"2036-11-24T10:00:00Z","reason":"r"}`)
	assert.Equal(t, http.StatusOK, status, body)
	assert.Contains(t, h.does("hold"), " r\n")
	status, _ = curl("POST", "/holds", `{"from":"2026-11-24T10:00:00Z"}`)
	assert.Equal(t, http.StatusConflict, status)
	status, _ = curl("POST", "/holds", `nonsense`)
	assert.Equal(t, http.StatusBadRequest, status)
	_, body = curl("GET", "/holds", "")
	assert.Contains(t, body, `"reason":"r"`)
	status, _ = curl("DELETE", "/holds/1", "")
	assert.Equal(t, http.StatusOK, status)
	status, _ = curl("DELETE", "/holds/1", "")
	assert.Equal(t, http.StatusConflict, status)
	assert.Equal(t, "nothing is held\n", h.does("hold"))
}
