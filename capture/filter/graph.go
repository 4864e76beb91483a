package filter

import "slices"

// A nodeID names a node of a decision graph, as an index into graph.nodes.
type nodeID int32

const (
	rejectNode nodeID = 0
	acceptNode nodeID = 1
)

// A node decides by the value it tests, or gives a variable a value. The graph
// has no cycles.
type node struct {
	val    valueID // tested, or assigned
	set    set     // the values for which t is next; nil for an assignment
	setID  int32
	assign int    // the variable assigned, or -1
	t, f   nodeID // an assignment goes on at t
	// live are the variables that are read here or below before they are
	// assigned, as a bit mask.
	live uint64
}

type nodeKey struct {
	val    valueID
	setID  int32
	assign int
	t, f   nodeID
}

// A graph decides whether a packet is accepted, by the tests from its root to
// accept or reject. Equal nodes are one node.
type graph struct {
	vs     *values
	cs     *conds
	nodes  []node
	known  map[nodeKey]nodeID
	setIDs map[string]int32
	built  map[buildKey]nodeID
	root   nodeID
	// effort is how much more is looked at to optimise: an expression made to
	// take long gets a longer program instead.
	effort int
}

// fullEffort is some ten milliseconds' worth, in facts compared.
const fullEffort = 5_000_000

type buildKey struct {
	c    condID
	t, f nodeID
}

func newGraph(cs *conds) *graph {
	return &graph{
		vs: cs.vs, cs: cs,
		nodes:  []node{rejectNode: {assign: -1}, acceptNode: {assign: -1}},
		known:  make(map[nodeKey]nodeID),
		setIDs: make(map[string]int32),
		built:  make(map[buildKey]nodeID),
		effort: fullEffort,
	}
}

func terminal(n nodeID) bool { return n <= acceptNode }

// build makes the nodes that go on at t if c holds, and at f if it doesn't.
func (g *graph) build(c condID, t, f nodeID) nodeID {
	key := buildKey{c, t, f}
	if n, ok := g.built[key]; ok {
		return n
	}
	var n nodeID
	switch x := &g.cs.all[c]; x.op {
	case condConst:
		n = f
		if x.result {
			n = t
		}
	case condTest:
		n = g.test(x.val, x.set, t, f)
	case condAssign:
		next := f
		if x.result {
			next = t
		}
		n = g.assign(x.k, x.val, next)
	case condAnd:
		n = t
		for i := len(x.kids) - 1; i >= 0; i-- {
			n = g.build(x.kids[i], n, f)
		}
	case condOr:
		n = f
		for i := len(x.kids) - 1; i >= 0; i-- {
			n = g.build(x.kids[i], t, n)
		}
	}
	g.built[key] = n
	return n
}

func (g *graph) test(val valueID, s set, t, f nodeID) nodeID {
	switch {
	case t == f, s.full():
		return t
	case s.empty():
		return f
	}
	if s.contains(0) { // of the two ways to say it, the one without 0
		s, t, f = s.complement(), f, t
	}
	key := s.key()
	id, ok := g.setIDs[key]
	if !ok {
		id = int32(len(g.setIDs))
		g.setIDs[key] = id
	}
	return g.intern(node{
		val: val, set: s, setID: id, assign: -1, t: t, f: f,
		live: g.vs.variables(val) | g.nodes[t].live | g.nodes[f].live,
	})
}

func (g *graph) assign(k int, val valueID, next nodeID) nodeID {
	below := g.nodes[next].live
	if below&(1<<k) == 0 {
		return next // nobody reads it
	}
	return g.intern(node{
		val: val, assign: k, t: next, f: next,
		live: below&^(1<<k) | g.vs.variables(val),
	})
}

func (g *graph) intern(n node) nodeID {
	key := nodeKey{n.val, n.setID, n.assign, n.t, n.f}
	if id, ok := g.known[key]; ok {
		return id
	}
	id := nodeID(len(g.nodes))
	g.nodes = append(g.nodes, n)
	g.known[key] = id
	return id
}

// order lists the nodes that can be reached from the root, each before those it
// leads to, without accept and reject.
func (g *graph) order() []nodeID {
	if terminal(g.root) {
		return nil
	}
	seen := make([]bool, len(g.nodes))
	var post []nodeID
	type frame struct {
		n    nodeID
		step int
	}
	stack := []frame{{g.root, 0}}
	seen[g.root] = true
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		x := &g.nodes[top.n]
		if top.step < 2 {
			next := x.f
			if top.step == 1 {
				next = x.t
			}
			top.step++
			if !terminal(next) && !seen[next] {
				seen[next] = true
				stack = append(stack, frame{next, 0})
			}
			continue
		}
		post = append(post, top.n)
		stack = stack[:len(stack)-1]
	}
	slices.Reverse(post)
	return post
}
