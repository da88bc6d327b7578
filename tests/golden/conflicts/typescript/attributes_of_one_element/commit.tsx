export const Row = () => <li className="row" id="a" onClick={choose} />;
