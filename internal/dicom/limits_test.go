package dicom_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/dicom"
)

// TestInMessage asks, before each byte of an exchange, whether its sender has more to say.
func TestInMessage(t *testing.T) {
	const store = "04 00 00000026 00000022 01 03 00000000 04000000 14000000 00000001 02000000 0100 00000008 02000000 0100"
	const data = "04 00 0000000a 00000006 01 02 11223344"
	var r recorder
	d := dicom.New(&r)
	for _, pdu := range []struct {
		bytes  string
		behind bool
	}{{associateRQ, false}, {echoRQ, false}, {store, true}, {data, false}, {store, true}, {"07 00 00000004 00000000", false}} {
		for i, b := range unhex(t, pdu.bytes) {
			if i > 0 {
				require.True(t, d.InMessage(), "%s, byte %d", pdu.bytes, i)
			}
			d.Write([]byte{b})
		}
		require.Equal(t, pdu.behind, d.InMessage(), pdu.bytes)
	}

	decode(t, d, store)
	d.Missing(500) // the data set, or a part of it
	assert.True(t, d.InMessage())
	decode(t, d, data)
	assert.False(t, d.InMessage())
	d.Join()
	assert.False(t, d.InMessage())
}

// TestLongCommand gives a decoder a command set of more than it keeps, in one segment and
// in several.
func TestLongCommand(t *testing.T) {
	comment := bytes.Repeat([]byte("no "), 1<<20)
	set := unhex(t, "00000000 04000000 00000000 00000001 02000000 3080 00000009 02000000 1001 00000209")
	set = binary.LittleEndian.AppendUint32(set, uint32(len(comment)))
	set = append(set, comment...)
	pdu := binary.BigEndian.AppendUint32([]byte{4, 0}, uint32(len(set)+dicom.ValueHeaderSize))
	pdu = binary.BigEndian.AppendUint32(pdu, uint32(len(set)+2))
	pdu = append(append(pdu, 1, 3), set...)
	for _, size := range []int{len(pdu), 1000} {
		var r recorder
		d := dicom.New(&r)
		for rest := pdu; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			d.Write(rest[:min(size, len(rest))])
		}
		decode(t, d, releaseRQ)
		require.Len(t, r.commands, 1)
		assert.True(t, r.commands[0].Truncated)
		assert.Equal(t, dicom.Status(0x0110), r.commands[0].Status)
		assert.Empty(t, r.commands[0].ErrorComment)
		assert.Equal(t, 1, r.counts[dicom.PDUReleaseRQ])
	}
}

// TestLongAssociate gives a decoder a request of more than it keeps, and one so long that
// it can't be one.
func TestLongAssociate(t *testing.T) {
	context := unhex(t, "20 00 0008 01 00 00 00 40 00 0000")
	request := unhex(t, associateRQ)
	for range 10_000 {
		request = append(request, context...)
	}
	binary.BigEndian.PutUint32(request[2:], uint32(len(request)-dicom.HeaderSize))
	var r recorder
	d := dicom.New(&r)
	d.Write(request)
	decode(t, d, releaseRQ)
	require.Len(t, r.associates, 1)
	a := r.associates[0]
	assert.True(t, a.Truncated)
	assert.Equal(t, "NET", a.ImplementationVersion)
	assert.Len(t, a.Contexts, 1+(64<<10-241)/len(context))
	assert.Equal(t, 1, r.counts[dicom.PDUReleaseRQ])

	compare(t, "01 00 7fffffff 0001", []string{"begin", "broken at 0: wrong PDU length", "8 bytes lost"})
}
