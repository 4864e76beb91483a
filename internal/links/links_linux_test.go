package links_test

import (
	"context"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/links"
	"netcap/internal/testenv"
)

// The end of a veth pair in a process's namespace is found from the end here, by the
// kernel's own numbers.
func TestInto(t *testing.T) {
	here, there, elsewhere := testenv.NewNamespace(t), testenv.NewNamespace(t), testenv.NewNamespace(t)
	testenv.NewVeth(t, there, here, "eth0", "veth0")
	testenv.NewVeth(t, elsewhere, here, "eth0", "veth1")
	sleeps := exec.Command("sleep", "60")
	require.NoError(t, there.Start(sleeps))
	stop := sync.OnceFunc(func() {
		_ = sleeps.Process.Kill() // it is ours, and waited for
		_ = sleeps.Wait()
	})
	t.Cleanup(stop)
	here.Do(func() {
		all, err := links.List()
		require.NoError(t, err)
		require.Len(t, all, 3)
		into, err := links.Into(sleeps.Process.Pid)
		require.NoError(t, err)
		require.Len(t, into, 1)
		l := into[0]
		assert.Equal(t, []any{"veth0", "veth", true, 0, false}, []any{l.Name, l.Kind, l.Up, l.Master, l.Gone})
		there.Do(func() {
			ours, err := links.List()
			require.NoError(t, err)
			require.Len(t, ours, 2)
			assert.Equal(t, l.Peer, ours[1].Index)
			assert.Equal(t, ours[1].Peer, l.Index)
			// From there it is the namespace at hand, not one behind an interface.
			into, err := links.Into(sleeps.Process.Pid)
			require.NoError(t, err)
			assert.Empty(t, into)
		})
	})
	stop()
	here.Do(func() {
		_, err := links.Into(sleeps.Process.Pid)
		assert.ErrorIs(t, err, links.ErrNoProcess)
	})
}

func TestWatch(t *testing.T) {
	n, peer := testenv.NewNamespace(t), testenv.NewNamespace(t)
	testenv.NewVeth(t, n, peer, "a0", "b0")
	index := int(n.Link(t, "a0").Index)
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(chan links.Info, 100)
	ended := make(chan error, 1)
	// The socket stays in the namespace of the thread that opens it.
	go n.Do(func() {
		ended <- links.Watch(ctx, func(l links.Info) {
			if l.Index == index {
				seen <- l
			}
		})
	})
	await := func(what func(links.Info) bool) {
		t.Helper()
		for {
			select {
			case l := <-seen:
				if what(l) {
					return
				}
			case <-time.After(30 * time.Second):
				require.Fail(t, "nothing was told")
			}
		}
	}
	await(func(l links.Info) bool { return l.Name == "a0" && l.Up })
	n.SetDown(t, "a0")
	await(func(l links.Info) bool { return l.Name == "a0" && !l.Up })
	n.Rename(t, "a0", "a1")
	await(func(l links.Info) bool { return l.Name == "a1" && !l.Gone })
	n.Delete(t, "a1")
	await(func(l links.Info) bool { return l.Name == "a1" && l.Gone })
	cancel()
	assert.NoError(t, <-ended)
}
