// Package testenv is what tests need from the machine: root, network
// namespaces joined by veth pairs, numbered frames sent into them, other
// programs, a Docker engine, a machine that systemd runs, the corpus, and the
// netcap program itself.
//
// What is lacking is said, never passed over: a test that can't run skips with
// a line that begins "not run: ", which make test collects and counts. Where
// the environment variable NETCAP_REQUIRE names it, in a comma-separated list
// of root, corpus, peers, docker and systemd, the test fails instead.
//
// Only tests import this package. A test that sends frames:
//
//	testenv.Root(t)
//	there, here := testenv.NewNamespace(t), testenv.NewNamespace(t)
//	testenv.NewVeth(t, there, here, "veth0", "veth1")
//	here.Do(func() { … open a capture on veth1 … })
//	sent := there.Flood(t, "veth0", 1514, 100_000)
package testenv
