// Grover search for 101 among 8 entries: two iterations find it with probability
// sin^2(5 arcsin(1/sqrt(8))) = 0.945.
// L. K. Grover, "A fast quantum mechanical algorithm for database search" (1996).
OPENQASM 3.0;
include "stdgates.inc";
gate oracle a, b, c {
  x b;
  h c; ccx a, b, c; h c;
  x b;
}
gate diffuse a, b, c {
  h a; h b; h c;
  x a; x b; x c;
  h c; ccx a, b, c; h c;
  x a; x b; x c;
  h a; h b; h c;
}
qubit[3] q;
bit[3] c;
h q;
oracle q[0], q[1], q[2];
diffuse q[0], q[1], q[2];
oracle q[0], q[1], q[2];
diffuse q[0], q[1], q[2];
c = measure q;
