const limit = 3;
export default limit + 1;
