package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"netcap/internal/holds"
	"netcap/internal/record"
)

// FuzzControl asks the control socket for anything, in requests that Go's server lets
// through. There is an answer of a status that is meant; what is wrong is said in text that
// does nothing to a terminal; and the holds, which requests are about that carry anything,
// can be read whatever was asked.
func FuzzControl(f *testing.F) {
	f.Add("POST", "/holds", `{"from":"2026-11-24T10:00:00Z","to":"2026-11-24T10:05:00Z","reason":"r"}`)
	f.Add("POST", "/holds", `{"from":"9999-12-31T23:00:00-23:00","to":"9999-12-31T23:30:00-23:00","reason":"\u001b[2J"}`)
	f.Add("POST", "/holds", `{"id":7,"from":"2026-11-24T10:00:00Z","to":"2026-11-24T10:05:00Z","reason":"\ud800","by":"`+strings.Repeat("x", 3000)+`"}`)
	f.Add("POST", "/holds", strings.Repeat("[", 1<<17))
	f.Add("GET", "/holds", "")
	f.Add("DELETE", "/holds/1", "")
	f.Add("DELETE", "/holds/\x1b[2J", "")
	f.Add("GET", "/../holds", "")
	cfg := &record.Config{}
	cfg.Files.Dir, cfg.Files.Name = f.TempDir(), "x"
	h := (&controller{name: "x", cfg: cfg}).handler()
	meant := []int{
		http.StatusOK, http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusConflict,
		http.StatusMovedPermanently, http.StatusTemporaryRedirect, // of paths that aren't clean
	}
	f.Fuzz(func(t *testing.T, method, path, body string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || u.Path == "" || u.Path[0] != '/' {
			return
		}
		switch strings.ToUpper(u.Path) {
		case "/STATUS", "/ROTATE", "/STOP", "/METRICS":
			return // they ask a recorder, and take nothing
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://netcap/", strings.NewReader(body))
		if err != nil {
			return
		}
		r.URL = u
		w := httptest.NewRecorder()
		begun := time.Now()
		h.ServeHTTP(w, r)
		require.Contains(t, meant, w.Code)
		if w.Code >= http.StatusBadRequest {
			require.NotContains(t, strings.TrimSuffix(w.Body.String(), "\n"), "\n")
			require.False(t, strings.ContainsFunc(strings.TrimSuffix(w.Body.String(), "\n"), func(r rune) bool { return !unicode.IsPrint(r) }), "%q", w.Body)
		}
		all, err := holds.List(cfg.Files.Dir, "x")
		require.NoError(t, err)
		if method == http.MethodPost && u.Path == "/holds" && w.Code == http.StatusOK {
			last := all[len(all)-1]
			require.WithinRange(t, last.Made, begun.Add(-time.Minute), time.Now().Add(time.Minute))
			require.False(t, slices.ContainsFunc(all[:len(all)-1], func(h holds.Hold) bool { return h.ID == last.ID }))
		}
		for _, hold := range all[:max(0, len(all)-5)] {
			_, err := holds.Release(cfg.Files.Dir, "x", hold.ID)
			require.NoError(t, err)
		}
	})
}
