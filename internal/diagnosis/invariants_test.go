package diagnosis_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/diagnosis"
)

// holds asserts what is true of every report, whatever it is of.
func holds(t testing.TB, r *diagnosis.Report) {
	t.Helper()
	_, err := json.Marshal(r) // fails for infinities and what isn't a number
	require.NoError(t, err)
	for _, as := range r.Associations {
		holdsAssociation(t, as)
		isPlace(t, r, as.Packet)
	}
	for _, c := range r.Connections {
		assert.GreaterOrEqual(t, c.Duration, 0.0)
		assert.False(t, c.End.Before(c.Start))
		isPlace(t, r, c.Packet)
	}
	for n, f := range r.Findings {
		assert.Positive(t, f.Count)
		assert.NotEmpty(t, f.Evidence)
		assert.NotEmpty(t, f.Text)
		assert.NotEmpty(t, f.Cause)
		assert.False(t, f.Last.Before(f.First))
		for _, p := range f.Evidence {
			isPlace(t, r, p)
		}
		for _, i := range f.Associations {
			assert.Less(t, i, len(r.Associations))
			assert.GreaterOrEqual(t, i, 0)
		}
		isPlain(t, f.Text)
		isPlain(t, f.Cause)
		if n > 0 {
			severities := []diagnosis.Severity{diagnosis.Problem, diagnosis.Warning, diagnosis.Info}
			rank := func(s diagnosis.Severity) int {
				for n, x := range severities {
					if x == s {
						return n
					}
				}
				return -1
			}
			assert.LessOrEqual(t, rank(r.Findings[n-1].Severity), rank(f.Severity))
		}
	}
}

func holdsAssociation(t testing.TB, as *diagnosis.Association) {
	t.Helper()
	assert.GreaterOrEqual(t, as.Duration, 0.0)
	assert.False(t, as.End.Before(as.Start))
	sum := 0.0
	for _, part := range parts(&as.Time) {
		assert.GreaterOrEqual(t, part, 0.0)
		sum += part
	}
	// Each instant counts once: what the parts lack or have too much is rounding.
	assert.InDelta(t, as.Duration, sum, 1e-6, "%+v", as.Time)
	if p := as.Response; p != nil {
		assert.GreaterOrEqual(t, p.P50, 0.0)
		assert.LessOrEqual(t, p.P50, p.P95)
		assert.LessOrEqual(t, p.P95, p.Max)
	}
	assert.False(t, math.IsNaN(as.Rate) || math.IsInf(as.Rate, 0))
	var bytes, kept, counted int64
	for _, c := range as.Summary {
		assert.Positive(t, c.Operations)
		bytes += c.Bytes + c.ResponseBytes
		counted += c.Operations
	}
	assert.GreaterOrEqual(t, as.Bytes, bytes) // there may be some that no request is known for
	for _, o := range as.Operations {
		kept += o.Bytes + o.ResponseBytes
		for _, d := range []*float64{o.Send, o.FirstByte, o.Response, o.Total} {
			if d != nil {
				assert.GreaterOrEqual(t, *d, 0.0)
			}
		}
		if o.FirstByte != nil && o.Response != nil {
			assert.LessOrEqual(t, *o.FirstByte, *o.Response)
		}
	}
	if len(as.Operations) > 0 {
		assert.Equal(t, bytes, kept)
		assert.EqualValues(t, counted, len(as.Operations))
	}
}

func parts(t *diagnosis.Times) []float64 {
	return []float64{t.Connect, t.Negotiate, t.Sending, t.Retransmission, t.ZeroWindow, t.Nagle, t.Server, t.ClientIdle}
}

// isPlace asserts that there is such a packet.
func isPlace(t testing.TB, r *diagnosis.Report, p diagnosis.Place) {
	t.Helper()
	assert.Contains(t, r.Capture.Files, p.File)
	assert.Positive(t, p.Packet)
	assert.LessOrEqual(t, p.Packet, r.Capture.Packets)
}

// isPlain asserts that a terminal may print a text, on one line, and that it isn't long.
func isPlain(t testing.TB, s string) {
	t.Helper()
	assert.True(t, utf8.ValidString(s), "%q", s)
	assert.False(t, strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", s)
	assert.Less(t, len(s), 4000)
}

// balanced asserts that all bytes of complete associations, in which nobody broke the
// protocol, are those of operations.
func balanced(t testing.TB, r *diagnosis.Report) {
	t.Helper()
	for _, as := range r.Associations {
		bytes := as.Bytes
		for _, c := range as.Summary {
			bytes -= c.Bytes + c.ResponseBytes
		}
		assert.True(t, bytes == 0 || as.Incomplete, "%d bytes of no operation", bytes)
	}
}
