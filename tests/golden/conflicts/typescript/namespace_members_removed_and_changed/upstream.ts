namespace Price {
  export const rate = 1.2;
}
