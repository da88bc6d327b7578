class TillTest {

    @Test
    void opens() {
        till.open();
    }
}
