// W state (|001> + |010> + |100>)/sqrt(3): each of the three is seen about equally often.
// W. Duer, G. Vidal, J. I. Cirac, "Three qubits can be entangled in two inequivalent ways" (2000).
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
ry(1.9106332362490186) q[0];  // 2 arccos(1/sqrt(3))
ch q[0], q[1];
cx q[1], q[2];
cx q[0], q[1];
x q[0];
c = measure q;
