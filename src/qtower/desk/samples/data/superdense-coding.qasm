// Superdense coding: the two bits 10 travel in one qubit of a Bell pair.
// C. H. Bennett, S. J. Wiesner, "Communication via one- and two-particle operators" (1992).
OPENQASM 3.0;
include "stdgates.inc";
qubit[2] q;
bit[2] c;
h q[0];
cx q[0], q[1];
x q[0];  // the sender writes 10: x for the first bit, z for the second
cx q[0], q[1];
h q[0];
c[0] = measure q[0];
c[1] = measure q[1];
