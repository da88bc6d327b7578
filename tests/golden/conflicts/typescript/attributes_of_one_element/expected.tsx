export const Row = () => <li className="wide" id="a" onClick={choose} />;
