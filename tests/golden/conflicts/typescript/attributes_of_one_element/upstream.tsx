export const Row = () => <li className="wide" id="a" onClick={pick} />;
