package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"netcap/internal/record"
)

// metrics are the status of a capture as Prometheus reads it. Names and units follow
// https://prometheus.io/docs/practices/naming/.
type metrics struct {
	status         func() record.Status
	logMissed      func() int64
	helperRestarts func() int64
	desc           map[string]*prometheus.Desc
}

// What is measured, by name. A label is in brackets.
var metricTexts = map[string]struct{ help, label string }{
	"netcap_packets_received_total":           {"Packets that the filter accepted, those dropped included.", ""},
	"netcap_packets_written_total":            {"Packets handed to the operating system.", ""},
	"netcap_packets_dropped_total":            {"Packets dropped: kernel, the ring was full; disk, they could not be written.", "reason"},
	"netcap_packets_rejected_total":           {"Packets that the filter did not take, where the kernel refused the filter and netcap runs it.", ""},
	"netcap_interface_packets_received_total": {"Packets that the kernel had for an interface's ring, those dropped included, without those rejected.", "interface"},
	"netcap_interface_up":                     {"Whether packets can come from an interface.", "interface"},
	"netcap_gaps_total":                       {"Intervals in which packets are or may be missing.", ""},
	"netcap_written_bytes_total":              {"Bytes written to files.", ""},
	"netcap_files_total":                      {"Files begun.", ""},
	"netcap_files_suspect_total":              {"Files of which the disk lost something.", ""},
	"netcap_set_bytes":                        {"Bytes of the set's files, earlier runs' included.", ""},
	"netcap_set_files":                        {"Number of the set's files.", ""},
	"netcap_set_held_bytes":                   {"Bytes of files on hold.", ""},
	"netcap_budget_bytes":                     {"Bound of netcap_set_bytes, 0 for none.", ""},
	"netcap_free_bytes":                       {"Bytes free on the file system.", ""},
	"netcap_oldest_timestamp_seconds":         {"When the oldest file was begun, in seconds since the epoch.", ""},
	"netcap_last_packet_timestamp_seconds":    {"Time of the newest packet, in seconds since the epoch.", ""},
	"netcap_start_timestamp_seconds":          {"When the capture began, in seconds since the epoch.", ""},
	"netcap_paused":                           {"Whether nothing is written for want of room, so that packets are dropped.", ""},
	"netcap_paused_by_keep_at_least":          {"Whether that is since the rest of the set is kept by --keep-at-least.", ""},
	"netcap_keep_at_least_bytes":              {"Bytes of the set that stay though there be no room.", ""},
	"netcap_keep_at_least_seconds":            {"How old packets become at least, though there be no room.", ""},
	"netcap_write_buffer_bytes":               {"Memory in use between ring and disk.", ""},
	"netcap_helper_restarts_total":            {"How often another helper process went on in the place of one that ended or did not answer.", ""},
	"netcap_log_lines_missed_total":           {"Lines that the log lacks, since it could not be written.", ""},
	"netcap_write_buffer_bound_bytes":         {"Bound of that, which follows the limit of the control group.", ""},
}

func newMetrics(c *controller) *metrics {
	m := &metrics{status: c.rec.Status, logMissed: c.log.Missed, helperRestarts: c.later.restarts, desc: make(map[string]*prometheus.Desc, len(metricTexts))}
	for name, text := range metricTexts {
		var labels []string
		if text.label != "" {
			labels = []string{text.label}
		}
		m.desc[name] = prometheus.NewDesc(name, text.help, labels, nil)
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(c chan<- *prometheus.Desc) {
	for _, d := range m.desc {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(c chan<- prometheus.Metric) {
	s := m.status()
	tell := func(kind prometheus.ValueType, name string, value float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(m.desc[name], kind, value, labels...)
	}
	counter := func(name string, value int64, labels ...string) {
		tell(prometheus.CounterValue, name, float64(value), labels...)
	}
	gauge := func(name string, value float64, labels ...string) {
		tell(prometheus.GaugeValue, name, value, labels...)
	}
	counter("netcap_packets_received_total", s.Received)
	counter("netcap_packets_written_total", s.Written)
	counter("netcap_packets_dropped_total", s.DroppedKernel, "kernel")
	counter("netcap_packets_dropped_total", s.DroppedDisk, "disk")
	counter("netcap_packets_rejected_total", s.Rejected)
	for _, i := range s.Interfaces {
		counter("netcap_interface_packets_received_total", int64(i.Received), i.Name)
		gauge("netcap_interface_up", truth(i.State == record.Up), i.Name)
	}
	counter("netcap_gaps_total", int64(s.Gaps))
	counter("netcap_written_bytes_total", s.Files.Bytes)
	counter("netcap_files_total", s.Files.Files)
	counter("netcap_files_suspect_total", s.Files.Suspect)
	gauge("netcap_set_bytes", float64(s.Files.Set))
	gauge("netcap_set_files", float64(s.Files.SetLen))
	gauge("netcap_set_held_bytes", float64(s.Files.Held))
	gauge("netcap_budget_bytes", float64(s.Files.Budget))
	gauge("netcap_free_bytes", float64(s.Files.Free))
	gauge("netcap_start_timestamp_seconds", seconds(s.Started))
	if !s.Files.Oldest.IsZero() {
		gauge("netcap_oldest_timestamp_seconds", seconds(s.Files.Oldest))
	}
	if !s.LastPacket.IsZero() {
		gauge("netcap_last_packet_timestamp_seconds", seconds(s.LastPacket))
	}
	gauge("netcap_paused", truth(s.Files.Paused))
	gauge("netcap_paused_by_keep_at_least", truth(s.Files.Kept))
	gauge("netcap_keep_at_least_bytes", float64(s.Files.KeepAtLeast))
	gauge("netcap_keep_at_least_seconds", s.Files.KeepLast.Seconds())
	gauge("netcap_write_buffer_bytes", float64(s.Files.Buffers))
	counter("netcap_helper_restarts_total", m.helperRestarts())
	counter("netcap_log_lines_missed_total", m.logMissed())
	gauge("netcap_write_buffer_bound_bytes", float64(s.Files.BufferBound))
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// metrics answers with the capture's metrics.
func (c *controller) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(newMetrics(c), collectors.NewGoCollector())
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// serveMetrics answers on a TCP address, with the metrics and nothing else.
func (c *controller) serveMetrics(addr string) (closeIt func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--metrics %s: %w", addr, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", c.metrics())
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(c.cfg.Log.Handler(), slog.LevelWarn),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // ends with Shutdown
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if errors.Is(server.Shutdown(ctx), context.DeadlineExceeded) {
			_ = server.Close() // who still reads has had its time
		}
		<-done
	}, nil
}
