package diagnosis_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/diagnosis"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// expected is expected.json of the corpus, as far as it is compared.
type expected struct {
	Captures map[string]struct {
		Findings []string
		Wire     struct {
			Associations []wireAssociation
			Connections  []wireConnection
		}
	}
}

type wireAssociation struct {
	Client     string
	ClientPort uint16 `json:"client_port"`
	Server     string
	ServerPort uint16 `json:"server_port"`
	Calling    string
	Called     string
	Result     *string
	Reject     []int
	Abort      []int
	End        string
	Contexts   []struct {
		ID       int
		Abstract string
		Proposed []string
		Result   *int
		Accepted string
	}
	Ops                  []wireOperation
	MaxPDUClient         uint32   `json:"max_pdu_client"`
	MaxPDUServer         uint32   `json:"max_pdu_server"`
	ImplementationClient string   `json:"implementation_client"`
	ImplementationServer string   `json:"implementation_server"`
	LostSync             []string `json:"lost_sync"`
	RequestTruncated     bool     `json:"request_truncated"`
	AsyncClient          []int    `json:"async_window_client"`
}

type wireOperation struct {
	Op             string
	MsgID          int `json:"msg_id"`
	By             string
	DatasetBytes   *int64 `json:"dataset_bytes"`
	Status         *string
	Pending        int
	Cut            bool
	RequestMissing bool     `json:"request_not_captured"`
	ResponseMS     *float64 `json:"response_ms"`
	AnswerMS       *float64 `json:"answer_ms"`
	SendMS         *float64 `json:"send_ms"`
	Suboperations  *struct{ Remaining, Completed, Failed, Warning int }
}

type wireConnection struct {
	Client, Server string
	NagleStalls    map[string]struct {
		Count int64
		MS    float64
	} `json:"nagle_stalls"`
	BytesToServer int64 `json:"bytes_to_server"`
	BytesToClient int64 `json:"bytes_to_client"`
}

// analyze reads captures one after the other.
func analyze(t testing.TB, cfg *diagnosis.Config, paths ...string) *diagnosis.Report {
	t.Helper()
	a := diagnosis.New(cfg)
	for _, path := range paths {
		f, err := os.Open(path)
		require.NoError(t, err)
		defer f.Close()
		r, err := pcapfile.NewReader(f)
		require.NoError(t, err)
		from := a.File(path)
		for {
			p, err := r.Next()
			if err != nil {
				break
			}
			a.Add(from, p)
		}
	}
	return a.Close()
}

// corpus is what is known of the captures of DICOM, and the directory they are in.
func corpus(t testing.TB) (all expected, dir string) {
	t.Helper()
	dir = filepath.Join(testenv.Corpus(t), "dicom")
	b, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &all))
	require.Len(t, all.Captures, 36)
	return all, dir
}

// TestCorpus holds all captures of the corpus to what was written down of them: from the
// logs of the programs, and by an independent decoder.
func TestCorpus(t *testing.T) {
	all, dir := corpus(t)
	for name, want := range all.Captures {
		t.Run(strings.TrimSuffix(name, ".pcap"), func(t *testing.T) {
			r := analyze(t, &diagnosis.Config{Operations: true}, filepath.Join(dir, name))
			holds(t, r)
			balanced(t, r)
			require.Len(t, r.Associations, len(want.Wire.Associations))
			for n, w := range want.Wire.Associations {
				compare(t, &w, r.Associations[n])
				compareTCP(t, want.Wire.Connections, r.Associations[n])
			}
			// Waits for delayed acknowledgements that are few, and take little of the time,
			// are no finding.
			var found []string
			for _, f := range r.Findings {
				if !slices.Contains(found, f.ID) {
					found = append(found, f.ID)
				}
				assert.NotEmpty(t, f.Text)
				assert.NotEmpty(t, f.Cause)
				assert.NotEmpty(t, f.Evidence)
			}
			const nagle = "nagle-delayed-ack"
			if !slices.Contains(found, nagle) && few(want.Wire.Connections) {
				want.Findings = slices.DeleteFunc(want.Findings, func(s string) bool { return s == nagle })
			}
			assert.ElementsMatch(t, want.Findings, found)
		})
	}
}

// few reports whether no connection has three waits for delayed acknowledgements.
func few(connections []wireConnection) bool {
	for _, c := range connections {
		if c.NagleStalls["client"].Count+c.NagleStalls["server"].Count >= 3 {
			return false
		}
	}
	return true
}

func compareTCP(t *testing.T, connections []wireConnection, as *diagnosis.Association) {
	t.Helper()
	for _, c := range connections {
		if c.Client != as.Client.AddrPort().String() || c.Server != as.Server.AddrPort().String() {
			continue
		}
		assert.Equal(t, c.BytesToServer, as.TCP.Client.Bytes)
		assert.Equal(t, c.BytesToClient, as.TCP.Server.Bytes)
		for side, flow := range map[string]diagnosis.Flow{"client": as.TCP.Client, "server": as.TCP.Server} {
			assert.Equal(t, c.NagleStalls[side].Count, flow.NagleWaits, side)
			assert.InDelta(t, c.NagleStalls[side].MS, flow.NagleSeconds*1e3, 2*float64(flow.NagleWaits)+0.5, side)
		}
		return
	}
	assert.Fail(t, "no such connection")
}

func compare(t *testing.T, w *wireAssociation, as *diagnosis.Association) {
	t.Helper()
	assert.Equal(t, w.Client, as.Client.Address.String())
	assert.Equal(t, w.ClientPort, as.Client.Port)
	assert.Equal(t, w.Server, as.Server.Address.String())
	assert.Equal(t, w.ServerPort, as.Server.Port)
	assert.Equal(t, w.Calling, as.CallingAE)
	assert.Equal(t, w.Called, as.CalledAE)
	ends := map[string]string{
		"released": "released ", "aborted by client": "aborted client", "aborted by server": "aborted server",
		"closed by client": "closed client", "closed by server": "closed server", "still open at the end of the capture": "cut ",
	}
	assert.Equal(t, ends[w.End], string(as.Outcome)+" "+as.EndedBy)
	if w.Result != nil {
		assert.Equal(t, *w.Result, string(as.Result))
	}
	if w.Reject != nil && assert.NotNil(t, as.Reject) {
		assert.Equal(t, w.Reject, []int{as.Reject.Result, as.Reject.Source, as.Reject.Reason})
	}
	if w.Abort != nil && assert.NotNil(t, as.Abort) {
		assert.Equal(t, w.Abort, []int{as.Abort.Source, as.Abort.Reason})
	}
	if w.RequestTruncated { // the other decoder gave up there
		return
	}
	assert.Equal(t, w.ImplementationClient, as.ClientApplication.Version)
	assert.Equal(t, w.ImplementationServer, as.ServerApplication.Version)
	samePDU(t, w.MaxPDUClient, as.ClientApplication.MaxPDU)
	samePDU(t, w.MaxPDUServer, as.ServerApplication.MaxPDU)
	if w.AsyncClient != nil {
		assert.Equal(t, w.AsyncClient, []int{as.ClientApplication.AsyncInvoked, as.ClientApplication.AsyncPerformed})
	}
	compareContexts(t, w, as)
	require.Len(t, as.Operations, len(w.Ops))
	for n, o := range w.Ops {
		compareOperation(t, &o, as.Operations[n], len(w.LostSync) > 0)
	}
}

func samePDU(t *testing.T, want uint32, got *uint32) {
	t.Helper()
	if want == 0 {
		assert.Nil(t, got)
	} else if assert.NotNil(t, got) {
		assert.Equal(t, want, *got)
	}
}

func compareContexts(t *testing.T, w *wireAssociation, as *diagnosis.Association) {
	t.Helper()
	results := []string{"acceptance", "user-rejection", "no-reason", "abstract-syntax-not-supported", "transfer-syntaxes-not-supported"}
	require.Len(t, as.Contexts, len(w.Contexts))
	for n, c := range w.Contexts {
		got := as.Contexts[n]
		assert.Equal(t, c.ID, got.ID)
		assert.Equal(t, c.Abstract, got.AbstractSyntax)
		assert.Equal(t, c.Proposed, got.TransferSyntaxes)
		assert.Equal(t, c.Accepted, got.Accepted)
		if c.Result == nil {
			assert.Empty(t, got.Result)
		} else {
			assert.Equal(t, results[*c.Result], got.Result)
		}
	}
}

// compareOperation compares an operation; its times only where the other decoder didn't
// lose its place.
func compareOperation(t *testing.T, w *wireOperation, got *diagnosis.Operation, lost bool) {
	t.Helper()
	assert.Equal(t, w.Op, got.Kind)
	assert.Equal(t, w.MsgID, got.MessageID)
	assert.Equal(t, w.By, got.By)
	assert.Equal(t, w.Pending, got.Pending)
	assert.Equal(t, w.RequestMissing, got.RequestMissing)
	if w.Status == nil {
		assert.Empty(t, got.Status)
	} else {
		assert.Equal(t, *w.Status, got.Status)
	}
	switch {
	case w.DatasetBytes == nil:
	case w.Cut:
		assert.GreaterOrEqual(t, got.Bytes, *w.DatasetBytes)
	default:
		assert.Equal(t, *w.DatasetBytes, got.Bytes)
	}
	if !lost && !w.Cut {
		if w.SendMS != nil { // C-STOREs have it
			sameTime(t, w.SendMS, got.Send)
		}
		sameTime(t, w.ResponseMS, got.FirstByte)
		sameTime(t, w.AnswerMS, got.Response)
	}
	if w.Suboperations != nil && assert.NotNil(t, got.Suboperation) {
		assert.EqualValues(t, *w.Suboperations, *got.Suboperation)
	}
}

// sameTime compares milliseconds with seconds, to two microseconds.
func sameTime(t *testing.T, ms, seconds *float64) {
	t.Helper()
	if ms == nil {
		assert.Nil(t, seconds)
	} else if assert.NotNil(t, seconds) {
		assert.InDelta(t, *ms, *seconds*1e3, 0.002)
	}
}
