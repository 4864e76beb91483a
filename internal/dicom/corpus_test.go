package dicom_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/dicom"
	"netcap/internal/testenv"
)

// expected is what expected.json says of a capture: by logs (Truth) and by a decoder that
// isn't ours (Wire), which agree.
type expected struct {
	Truth struct {
		Associations []struct {
			Ops []expectedOp
		}
	}
	Wire struct {
		Associations []expectedAssociation
		Connections  []struct{ Client, Server netip.AddrPort }
	}
}

type expectedAssociation struct {
	Client           netip.Addr
	ClientPort       uint16 `json:"client_port"`
	Server           netip.Addr
	ServerPort       uint16 `json:"server_port"`
	Contexts         []expectedContext
	Ops              []expectedOp
	PDUs             map[string]int
	Calling, Called  string
	RequestTruncated bool     `json:"request_truncated"`
	MaxClient        *uint32  `json:"max_pdu_client"`
	MaxServer        *uint32  `json:"max_pdu_server"`
	VersionClient    string   `json:"implementation_client"`
	VersionServer    string   `json:"implementation_server"`
	AsyncClient      []uint16 `json:"async_window_client"`
	Reject           []int
	Abort            []int
	LostSync         []string `json:"lost_sync"`
}

type expectedContext struct {
	ID       byte
	Abstract string
	Proposed []string
	Result   *dicom.ContextResult
	Accepted string
}

type expectedOp struct {
	Op            string
	ID            uint16 `json:"msg_id"`
	By            string
	Bytes         *int64 `json:"dataset_bytes"`
	Status        *string
	Pending       int
	Cut           bool
	NotCaptured   bool              `json:"request_not_captured"`
	Suboperations map[string]uint16 `json:"suboperations"`
}

// TestCorpus holds what the decoder tells of every capture to what expected.json has.
func TestCorpus(t *testing.T) {
	dir := filepath.Join(testenv.Corpus(t), "dicom")
	text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	require.NoError(t, err)
	var all struct{ Captures map[string]expected }
	require.NoError(t, json.Unmarshal(text, &all))
	require.Len(t, all.Captures, 36)
	associations, operations := 0, 0
	for name, want := range all.Captures {
		t.Run(name, func(t *testing.T) {
			flows := streams(t, filepath.Join(dir, name))
			is := make(map[flow]bool)
			for i, a := range want.Wire.Associations {
				f := flow{netip.AddrPortFrom(a.Client, a.ClientPort), netip.AddrPortFrom(a.Server, a.ServerPort)}
				is[f] = true
				client, server := follow(flows[f]), follow(flows[f.reverse()])
				a.compare(t, client, server)
				assert.Len(t, operationsOf(client, server), a.operations(client, server, t))
				if len(a.LostSync) > 0 {
					// Both captures are of one exchange, or lack some of it.
					a.compareLost(t, client, want.Truth.Associations[i].Ops, all.Captures["store_ok.pcap"].Wire.Associations[0].PDUs["c4"])
				}
				associations++
				operations += len(a.Ops)
			}
			for _, c := range want.Wire.Connections {
				f := flow{c.Client, c.Server}
				if is[f] {
					continue
				}
				for _, f := range []flow{f, f.reverse()} {
					r := follow(flows[f])
					assert.Empty(t, r.counts)
					assert.LessOrEqual(t, strings.Count(strings.Join(r.events, "\n"), "broken"), 1)
				}
			}
		})
	}
	t.Logf("%d associations, %d operations", associations, operations)
}

func (a *expectedAssociation) compare(t *testing.T, client, server *recorder) {
	pdus := make(map[string]int)
	for side, r := range map[string]*recorder{"c": client, "s": server} {
		for kind, n := range r.counts {
			pdus[fmt.Sprint(side, int(kind))] = n
		}
		assert.NotContains(t, strings.Join(r.events, "\n"), "broken")
	}
	assert.Equal(t, a.PDUs, pdus)

	var rq, ac dicom.Associate
	if len(client.associates) > 0 {
		rq = *client.associates[0]
	}
	if len(server.associates) > 0 {
		ac = *server.associates[0]
	}
	assert.Equal(t, a.Calling, rq.Calling)
	assert.Equal(t, a.Called, rq.Called)
	assert.Equal(t, a.RequestTruncated, rq.Truncated)
	max := func(a dicom.Associate) *uint32 {
		if !a.HasMaxLength {
			return nil
		}
		return &a.MaxLength
	}
	assert.Equal(t, a.MaxClient, max(rq))
	assert.Equal(t, a.MaxServer, max(ac))
	assert.Equal(t, a.VersionClient, rq.ImplementationVersion)
	assert.Equal(t, a.VersionServer, ac.ImplementationVersion)
	if a.AsyncClient != nil {
		assert.Equal(t, a.AsyncClient, []uint16{rq.AsyncInvoked, rq.AsyncPerformed})
	}
	assert.Equal(t, a.AsyncClient != nil, rq.HasAsync)

	contexts := []expectedContext{}
	for _, c := range rq.Contexts {
		got := expectedContext{ID: c.ID, Abstract: c.AbstractSyntax, Proposed: c.TransferSyntaxes}
		for _, answer := range ac.Contexts {
			if answer.ID == c.ID {
				got.Result = &answer.Result
				if answer.Result == dicom.ContextAccepted {
					got.Accepted = answer.TransferSyntaxes[0]
				}
			}
		}
		contexts = append(contexts, got)
	}
	assert.Equal(t, a.Contexts, contexts)

	events := strings.Join(append(client.events, server.events...), "\n")
	if a.Reject != nil {
		j := dicom.Reject{Result: dicom.RejectResult(a.Reject[0]), Source: dicom.RejectSource(a.Reject[1]), Reason: uint8(a.Reject[2])}
		assert.Contains(t, events, fmt.Sprintf("A-ASSOCIATE-RJ %v, %v, %s, false", j.Result, j.Source, j.ReasonText()))
	}
	if a.Abort != nil {
		assert.Contains(t, events, fmt.Sprintf("A-ABORT %v, %v, false", dicom.AbortSource(a.Abort[0]), dicom.AbortReason(a.Abort[1])))
	}
}

// operation is a request and what answers it.
type operation struct {
	expectedOp
	response *dicom.Command    // the last
	numbers  map[string]uint16 // of sub-operations, the last there are
}

// operationsOf matches requests and responses by message ID, in their order.
func operationsOf(client, server *recorder) []operation {
	var all []operation
	for _, r := range []struct {
		by            string
		asks, answers *recorder
	}{{"client", client, server}, {"server", server, client}} {
		used := make(map[*dicom.Command]bool)
		for i, c := range r.asks.commands {
			if c.Field.IsResponse() || c.Truncated {
				continue
			}
			op := operation{expectedOp: expectedOp{Op: c.Field.Operation(), ID: c.MessageID, By: r.by, Bytes: &r.asks.dataSets[i]}, numbers: make(map[string]uint16)}
			for _, answer := range r.answers.commands {
				if used[answer] || answer.Truncated || !answer.Field.IsResponse() || answer.RespondedTo != c.MessageID || answer.Field.Request() != c.Field {
					continue
				}
				used[answer], op.response = true, answer
				suboperations(answer, op.numbers)
				if answer.Status.Category() != dicom.CategoryPending {
					break
				}
				op.Pending++
			}
			all = append(all, op)
		}
	}
	return all
}

func suboperations(c *dicom.Command, numbers map[string]uint16) {
	for name, n := range map[string]struct {
		has   dicom.Elements
		value uint16
	}{
		"remaining": {dicom.HasRemaining, c.Remaining}, "completed": {dicom.HasCompleted, c.Completed},
		"failed": {dicom.HasFailed, c.Failed}, "warning": {dicom.HasWarning, c.Warning},
	} {
		if c.Has&n.has != 0 {
			numbers[name] = n.value
		}
	}
}

// operations compares each expected operation, and returns how many there are whose
// request was captured.
func (a *expectedAssociation) operations(client, server *recorder, t *testing.T) int {
	got := operationsOf(client, server)
	captured := 0
	for _, want := range a.Ops {
		if want.NotCaptured {
			var statuses []string
			for _, c := range server.commands {
				if c.RespondedTo == want.ID && c.Field.Operation() == want.Op {
					statuses = append(statuses, c.Status.String())
				}
			}
			assert.Equal(t, []string{*want.Status}, statuses)
			continue
		}
		require.Less(t, captured, len(got))
		op := got[captured]
		captured++
		assert.Equal(t, want.Op, op.Op)
		assert.Equal(t, want.ID, op.ID)
		assert.Equal(t, want.By, op.By)
		assert.Equal(t, want.Pending, op.Pending)
		if want.Status == nil {
			assert.True(t, op.response == nil || op.response.Status.Category() == dicom.CategoryPending)
		} else if assert.NotNil(t, op.response) {
			assert.Equal(t, *want.Status, op.response.Status.String())
		}
		if want.Cut {
			assert.GreaterOrEqual(t, *op.Bytes, *want.Bytes)
		} else {
			assert.Equal(t, want.Bytes, op.Bytes)
		}
		if want.Suboperations != nil {
			assert.Equal(t, want.Suboperations, op.numbers)
		}
	}
	return captured
}

// compareLost holds what is lost to what another decoder loses, and to what was sent:
// where a header is lost, its bytes are counted with the data set's.
func (a *expectedAssociation) compareLost(t *testing.T, client *recorder, sent []expectedOp, pdus int) {
	var lost, want int64
	for _, line := range a.LostSync {
		var n int64
		_, err := fmt.Sscanf(line, "client: %d bytes", &n)
		require.NoError(t, err)
		lost += n
	}
	for _, op := range sent {
		want += *op.Bytes
	}
	assert.Equal(t, lost, client.allLost)
	const headers = dicom.HeaderSize + dicom.ValueHeaderSize
	assert.Equal(t, want, client.dataSet+lost-headers*int64(pdus-client.counts[dicom.PDUData]))
}

// TestSnapped holds that of command sets which the snap length cuts there is what there is.
func TestSnapped(t *testing.T) {
	path := filepath.Join(testenv.Corpus(t), "dicom", "store_snap128.pcap")
	answers := 0
	for _, s := range streams(t, path) {
		for _, c := range follow(s).commands {
			assert.True(t, c.Truncated)
			assert.Equal(t, "C-STORE", c.Field.Operation())
			assert.Equal(t, "CT Image Storage", dicom.UIDName(c.AffectedSOPClass))
			assert.False(t, c.HasDataSet())
			if c.Field.IsResponse() {
				answers++
			}
		}
	}
	assert.Equal(t, 3, answers)
}
